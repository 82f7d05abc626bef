#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry {

// Bounds the log lines of one kind that others can cause as often as they like: `burst` of them at
// once, and one more each `interval`. Who writes the next one says how many were left out before
// it. Thread-safe. Time is given, so that tests need none to pass; it is the monotonic clock's.
class LogThrottle {
 public:
  using Clock = std::chrono::steady_clock;

  LogThrottle(int burst, Clock::duration interval)
      : interval_(interval), ahead_(interval * (burst - 1)) {}

  // Whether this line may be written: then how many were left out since the last one. nullopt: it
  // is left out.
  std::optional<std::uint64_t> Take(Clock::time_point now = Clock::now()) {
    MutexLock lock(&mutex_);
    if (now + ahead_ < next_) {
      ++left_out_;
      return std::nullopt;
    }
    next_ = std::max(next_, now) + interval_;
    return std::exchange(left_out_, 0);
  }

 private:
  const Clock::duration interval_;
  const Clock::duration ahead_;  // How far the lines of a burst may be ahead of their time.
  Mutex mutex_;
  // When the next line was due if they came one each interval.
  Clock::time_point next_ ABSL_GUARDED_BY(mutex_) = Clock::time_point::min();
  std::uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry
