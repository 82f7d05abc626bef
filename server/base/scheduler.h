#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "server/base/clock.h"

namespace belfry {

// Work that waits for its time. Destroying it calls the work off; if that runs at this moment on
// another thread, waits for its end: hold no lock that the work takes. The work itself may destroy
// it.
class Timer {
 public:
  virtual ~Timer() = default;
};

// Runs work at a time to come. Thread-safe.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  // Runs `work` once, on a thread of the scheduler, as soon as the clock is at `time` or beyond:
  // possibly before At returns. It must not block, because it holds up all other work. The timer
  // must not outlive the scheduler.
  [[nodiscard]] virtual std::unique_ptr<Timer> At(absl::Time time,
                                                  absl::AnyInvocable<void()> work) = 0;
};

// One thread, which sleeps until something is due by `clock`. Notices within half a minute when the
// machine's clock has been set. `clock` must outlive it.
std::unique_ptr<Scheduler> NewScheduler(const Clock* clock);

}  // namespace belfry
