#include "server/http/deadline.h"

#include <utility>

namespace belfry::http {

void Deadline::OnExpiry(std::weak_ptr<void> owner, absl::AnyInvocable<void()> expire) {
  owner_ = std::move(owner);
  expire_ = std::move(expire);
}

void Deadline::SetAt(Clock::time_point time) {
  time_ = time;
  if (time_ < timer_time_) StartTimer();
}

void Deadline::StartTimer() {
  timer_time_ = time_;
  timer_.expires_at(time_);
  timer_.async_wait([this, owner = owner_](boost::system::error_code error) {
    const std::shared_ptr<void> alive = owner.lock();
    if (!error && alive != nullptr) OnTimer();
  });
}

void Deadline::OnTimer() {
  timer_time_ = kNever;
  if (time_ == kNever) return;
  if (Clock::now() < time_) {
    StartTimer();
    return;
  }
  Clear();
  expire_();
}

}  // namespace belfry::http
