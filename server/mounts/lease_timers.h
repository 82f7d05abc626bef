#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/scheduler.h"
#include "server/mounts/lease_index.h"

namespace belfry::mounts {

// Wakes the lease manager when the next lease is due: two timers, for the wall clock, by which
// leases expire, and the monotonic one, by which retries are delayed. Not thread-safe: whoever owns
// it guards it with a lock.
class LeaseTimers {
 public:
  // To be destroyed when that lock has been released: destroying a timer waits for a `wake` that
  // runs at that moment, which may need the lock.
  struct Replaced {
    std::unique_ptr<Timer> due;
    std::unique_ptr<Timer> retry;
  };

  // `wake` runs without the lock, on a thread of the scheduler, possibly on several at once; it
  // must not block. The pointers must outlive the timers.
  LeaseTimers(Scheduler* scheduler, const Clock* clock, absl::AnyInvocable<void() const> wake);
  LeaseTimers(const LeaseTimers&) = delete;
  LeaseTimers& operator=(const LeaseTimers&) = delete;

  // Has `wake` run at both times of `next`, and no more at those set before.
  [[nodiscard]] Replaced Set(const LeaseIndex::Wakeup& next);
  // `wake` has run: Set must set both timers again, even to the same times.
  void NoteWakeup();
  // No `wake` begins once what is returned has been destroyed.
  [[nodiscard]] Replaced Cancel();

 private:
  Scheduler* const scheduler_;
  const Clock* const clock_;
  const absl::AnyInvocable<void() const> wake_;
  LeaseIndex::Wakeup set_for_;
  std::unique_ptr<Timer> due_timer_;
  std::unique_ptr<Timer> retry_timer_;
};

}  // namespace belfry::mounts
