#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "base/wait_group.h"
#include "server/bus/bus.h"
#include "server/bus/subscription_index.h"
#include "server/bus/tally.h"
#include "server/encode/delivery.h"
#include "server/journal/journal.h"
#include "server/subscriptions/frame_cache.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::subscriptions {

// Where a subscription that resumes begins.
struct Start {
  std::uint64_t after = 0;
  // The client has this place already; else it is told it even if nothing comes.
  bool known = false;
  // To be told first.
  std::optional<encode::Gap> gap;
};

// What a subscription asks for that resumes.
struct FollowOptions {
  bus::Pattern pattern;
  std::string owner;  // As in bus::SubscribeOptions.
  bus::Format format = bus::Format::kProtobuf;
  std::unique_ptr<bus::EventAuthorizer> event_authorizer;  // As there.
  // Shared with the session.
  std::shared_ptr<Subscriber> subscriber;
  Start start;
};

// What all followers use; everything must outlive them.
struct FollowEnvironment {
  const journal::Journal* journal = nullptr;
  const Clock* clock = nullptr;
  Executor* executor = nullptr;
  WaitGroup* turns = nullptr;  // Under way, or waiting for a thread.
  bus::TallyCounters* counters = nullptr;
  FrameCache* frames = nullptr;
  Logger logger;
};

// A subscription that reads the journal from its place on, at the pace of its subscriber, and never
// ends for being slow: what does not fit waits in the journal. Replayed events and new ones come
// the same way, so there is no change from the one to the other in which one could be lost or come
// twice. It works on the executor, a short turn at a time. Thread-safe.
class Follower : public std::enable_shared_from_this<Follower> {
 public:
  Follower(const FollowEnvironment& environment, FollowOptions options);

  // There may be more in the journal. To be called once at the beginning.
  void Wake();
  // The next time that it has come to the end of the journal, the subscriber is told how far it has
  // come, unless it knows.
  void RequestBookmark();
  // Offers nothing more, but for a turn under way.
  void End();

 private:
  enum class State {
    kAtEnd,    // Of the journal: waits for events.
    kFull,     // Waits for room with the subscriber.
    kWorking,  // A turn is under way, or waits for a thread.
    kEnded,
  };

  // From one of the waiting states to kWorking; false: it is not in that state.
  bool Resume(State from);
  void PostTurn();
  void TakeTurn();
  // What it does next.
  State Work(bus::Tally& tally);
  State OfferBlocks(bus::Tally& tally);
  // nullopt: go on.
  std::optional<State> Advance(const storage::AcceptedEvent& event, bus::Tally& tally);
  bool Wants(const storage::AcceptedEvent& event, bus::Tally& tally);
  bus::Frame FrameOf(const storage::AcceptedEvent& event) const;
  std::optional<State> OfferGap(const encode::Gap& gap);
  std::optional<State> OfferBookmark();
  std::optional<State> OfferNotice(bus::Message::Kind kind, std::string bytes);
  void AwaitRoom();
  void AwaitEvents();
  encode::Place PlaceAt(std::uint64_t sequence) const;

  const FollowEnvironment environment_;
  const bus::Pattern pattern_;
  const std::string owner_;
  const bus::Format format_;
  const std::shared_ptr<Subscriber> subscriber_;
  std::atomic<bool> bookmark_due_ = true;

  // Of the turn that is under way.
  const std::unique_ptr<bus::EventAuthorizer> event_authorizer_;
  std::uint64_t policy_version_ = 0;
  std::optional<encode::Gap> gap_;  // Still to be told.
  std::uint64_t position_ = 0;
  // What has been read behind it, as long as it works.
  std::vector<journal::BlockPtr> blocks_;
  std::optional<std::uint64_t> known_;  // The last place that the subscriber was told.

  Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kAtEnd;
};

}  // namespace belfry::subscriptions
