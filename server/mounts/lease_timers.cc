#include "server/mounts/lease_timers.h"

#include <utility>

namespace belfry::mounts {

LeaseTimers::LeaseTimers(Scheduler* scheduler, const Clock* clock,
                         absl::AnyInvocable<void() const> wake)
    : scheduler_(scheduler), clock_(clock), wake_(std::move(wake)) {}

LeaseTimers::Replaced LeaseTimers::Set(const LeaseIndex::Wakeup& next) {
  Replaced replaced;
  if (next.due != set_for_.due) {
    replaced.due = std::move(due_timer_);
    if (next.due != absl::InfiniteFuture())
      due_timer_ = scheduler_->At(next.due, [this] { wake_(); });
  }
  if (next.retry != set_for_.retry) {
    replaced.retry = std::move(retry_timer_);
    if (next.retry != SteadyTime::InfiniteFuture())
      retry_timer_ = scheduler_->After(next.retry - clock_->Steady(), [this] { wake_(); });
  }
  set_for_ = next;
  return replaced;
}

void LeaseTimers::NoteWakeup() {
  set_for_ = {};
}

LeaseTimers::Replaced LeaseTimers::Cancel() {
  return {.due = std::move(due_timer_), .retry = std::move(retry_timer_)};
}

}  // namespace belfry::mounts
