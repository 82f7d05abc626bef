#pragma once

#include <chrono>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry::plugin_host {

// How much one plugin may write into the log: so much at once, and so much each second from then
// on, however many ways it writes in. Once that is used up, everything is dropped until a second's
// share is there again, so that a plugin that never stops is told of once a second. Thread-safe.
// Time is given, so that tests need none to pass; it is the monotonic clock's.
class LogBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // In bytes; what a line costs beside its own is part of it.
  LogBudget(std::size_t bytes_per_second, std::size_t burst_bytes);

  // Whether a line of so many bytes may be written; else they count as dropped.
  bool Take(std::size_t bytes, Time now);
  // Whether nothing at all may be written now: these bytes are dropped unread.
  bool Drop(std::size_t bytes, Time now);
  // These bytes were dropped with what stood before them.
  void AddDropped(std::size_t bytes);
  // How many bytes were dropped since this was asked last.
  std::size_t TakeDropped();
  // True once for each time that it begins to drop.
  bool HasBegunToDrop();

  std::size_t bytes_per_second() const { return bytes_per_second_; }

 private:
  void Refill(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t bytes_per_second_;
  const std::size_t burst_bytes_;
  Mutex mutex_;
  double left_ ABSL_GUARDED_BY(mutex_);
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  Time refilled_ ABSL_GUARDED_BY(mutex_);
  enum class State { kWriting, kBeginsToDrop, kDropping };
  State state_ ABSL_GUARDED_BY(mutex_) = State::kWriting;
  std::size_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry::plugin_host
