#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/limits.h"
#include "base/mutex.h"
#include "server/bus/prepared.h"
#include "server/bus/subscriber.h"

namespace belfry::bus {

// Who may see an event, of the subscribers that share a filter when it is published.
struct Admission {
  std::shared_ptr<const Members> members;  // Shared with the group that it was, and other events.
  std::vector<std::uint64_t> policy_version;  // Of each member, as Sink::Offer takes it.
  std::vector<bool> allowed;

  bool operator==(const Admission&) const = default;
  std::size_t bytes() const {
    return policy_version.size() * sizeof(policy_version[0]) + allowed.size() / 8;
  }
};

// The events that wait for one filter, in their order. Publishers fill it and never wait; one
// thread at a time empties it. Bounded as a subscriber's queue is. Thread-safe.
class Lane {
 public:
  struct Item {
    std::shared_ptr<const KeptEvent> event;
    std::shared_ptr<const Admission> admission;
    std::size_t bytes = 0;
  };
  using Items = std::deque<Item>;

  enum class Result {
    kWaits,   // Somebody will take it.
    kAwoken,  // The caller has to have the lane emptied: nobody does so yet.
    kFull,    // It did not take it.
    kClosed,  // It takes nothing any more.
  };

  explicit Lane(const Limits& limits)
      : max_events_(limits.max_queued_frames), max_bytes_(limits.max_queued_bytes) {}

  Result Append(std::shared_ptr<const KeptEvent> event, Admission admission);
  // The next event. Nothing when none waits: then the next that is appended awakes the lane.
  std::optional<Item> Take();
  // All that waits.
  Items TakeAll();
  // The same, and nothing is taken any more.
  Items Close();

 private:
  Items Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_events_;
  const std::size_t max_bytes_;
  Mutex mutex_;
  Items items_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool awake_ ABSL_GUARDED_BY(mutex_) = false;  // Somebody is emptying it, or is about to.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::bus
