#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace belfry {

// Work that waits for its time. Destroying it calls the work off; if that runs at this moment on
// another thread, waits for its end: hold no lock that the work takes. The work itself may destroy
// it.
class Timer {
 public:
  virtual ~Timer() = default;
};

// Runs work at a time to come: once, on a thread of the scheduler, possibly before At or After
// returns. The work must not block, because it holds up all other work. A timer must not outlive
// the scheduler. Thread-safe.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  // As soon as the wall clock is at `time` or beyond: for what is stored with its time, as the
  // expiry of a token.
  [[nodiscard]] virtual std::unique_ptr<Timer> At(absl::Time time,
                                                  absl::AnyInvocable<void()> work) = 0;
  // When so much time has passed by the monotonic clock: for every delay.
  [[nodiscard]] virtual std::unique_ptr<Timer> After(absl::Duration delay,
                                                     absl::AnyInvocable<void()> work) = 0;
};

// Work that runs again and again, an interval after it has last ended, until the result is
// destroyed, as a Timer. It must not destroy that itself.
std::unique_ptr<Timer> Repeat(Scheduler* scheduler, absl::Duration interval,
                              absl::AnyInvocable<void()> work);

// One thread, which sleeps until something is due by `clock`. What waits for a time of the wall
// clock notices within half a minute when that has been set. `clock` must outlive it.
std::unique_ptr<Scheduler> NewScheduler(const Clock* clock);

}  // namespace belfry
