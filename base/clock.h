#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/steady_time.h"

namespace belfry {

// Where time comes from. Thread-safe. Code that asks absl::Now() itself cannot be tested without
// sleeping.
class Clock {
 public:
  virtual ~Clock() = default;
  // The wall clock, which an operator or NTP may set at any moment: for what people read, and for
  // what is stored and must mean the same after a restart (the expiry of tokens and leases).
  virtual absl::Time Now() const = 0;
  // The monotonic clock: for every delay, back-off, limiter and deadline.
  virtual SteadyTime Steady() const = 0;
};

// The machine's clock.
class SystemClock final : public Clock {
 public:
  absl::Time Now() const override;
  SteadyTime Steady() const override;
};

// A clock that stands still until a test moves it. Its monotonic side begins with the machine's.
// Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time start) : now_(start) {}
  absl::Time Now() const override;
  SteadyTime Steady() const override;
  // Time passes.
  void Advance(absl::Duration by);
  // Somebody sets the wall clock, forward or back; no time passes.
  void SetWallClock(absl::Time now);

 private:
  mutable Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  SteadyTime steady_ ABSL_GUARDED_BY(mutex_) = SteadyTime::Now();
};

}  // namespace belfry
