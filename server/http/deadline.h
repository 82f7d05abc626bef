#pragma once

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/scheduler.h"
#include "base/steady_time.h"
#include "server/http/strand.h"

namespace belfry::http {

// Ends what a session has under way when its time has come. Cheap to set again and again: while the
// time only moves later the timer is left alone, and looks again when it fires. Not thread-safe:
// belongs to the strand.
class Deadline final {
 public:
  // `clock` and `scheduler` must outlive it.
  Deadline(Strand strand, const Clock* clock, Scheduler* scheduler)
      : strand_(std::move(strand)), clock_(clock), scheduler_(scheduler) {}

  // What runs, on the strand, when the deadline passes; the deadline is then no longer set. `owner`
  // is what the deadline is a member of: it is kept alive meanwhile, and nothing runs once it is
  // gone. To be called once, before the deadline is set.
  void OnExpiry(std::weak_ptr<void> owner, absl::AnyInvocable<void()> expire);

  void SetAt(SteadyTime time);
  void SetAfter(absl::Duration delay) { SetAt(clock_->Steady() + delay); }
  // It does not pass until it is set again.
  void Clear() { time_ = SteadyTime::InfiniteFuture(); }

 private:
  void StartTimer();
  void OnTimer();

  const Strand strand_;
  const Clock* const clock_;
  Scheduler* const scheduler_;
  std::weak_ptr<void> owner_;
  absl::AnyInvocable<void()> expire_;
  SteadyTime time_ = SteadyTime::InfiniteFuture();
  // When the timer fires, which may be before time_.
  SteadyTime timer_time_ = SteadyTime::InfiniteFuture();
  std::unique_ptr<Timer> timer_;
};

}  // namespace belfry::http
