#pragma once

#include <atomic>
#include <memory>
#include <unordered_set>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/scheduler.h"
#include "base/wait_group.h"
#include "server/bus/bus.h"
#include "server/bus/tally.h"
#include "server/journal/cursor.h"
#include "server/journal/journal.h"
#include "server/subscriptions/follower.h"

namespace belfry::subscriptions {

// All subscriptions that resume. Thread-safe; outlives them.
class Followers {
 public:
  // All but the executor, on which they work, must outlive it.
  Followers(const journal::Journal* journal, const Clock* clock, Scheduler* scheduler,
            Metrics* metrics, std::unique_ptr<Executor> executor, Logger logger);

  // From its return on, the subscriber is offered what it asks for; destroying the result ends
  // that.
  std::unique_ptr<bus::Subscription> Follow(FollowOptions options);
  // There is more in the journal. Does not block: the committing thread calls it.
  void OnMore();
  // Waits for what followers are at. Call it when all subscriptions have ended, and before what
  // they ask is gone: the rights of tokens.
  void Stop();

  journal::Cursor CursorAt(std::uint64_t sequence) const {
    return {.epoch = journal_->epoch(), .sequence = sequence};
  }
  // The cursor's place, and what of its events is not there. Gone are those that were deleted, and
  // with another epoch all.
  Start After(const journal::Cursor& cursor) const;
  // In front of all events that are kept; behind all that there are.
  Start Earliest() const;
  Start Latest() const;

 private:
  class Handle;

  void WakeAllLater(void (Follower::*wake)());
  void WakeAll(void (Follower::*wake)());

  const journal::Journal* const journal_;
  Gauge& subscriptions_;
  bus::TallyCounters counters_;
  FrameCache frames_;
  Mutex mutex_;
  std::unordered_set<std::shared_ptr<Follower>> followers_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> waking_ = false;
  WaitGroup turns_;
  const std::unique_ptr<Executor> executor_;
  const FollowEnvironment environment_;
  std::unique_ptr<Timer> bookmarks_;  // Last: it uses the rest.
};

}  // namespace belfry::subscriptions
