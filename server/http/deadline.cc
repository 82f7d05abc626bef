#include "server/http/deadline.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace belfry::http {

void Deadline::OnExpiry(std::weak_ptr<void> owner, absl::AnyInvocable<void()> expire) {
  owner_ = std::move(owner);
  expire_ = std::move(expire);
}

void Deadline::SetAt(SteadyTime time) {
  time_ = time;
  if (time_ < timer_time_) StartTimer();
}

void Deadline::StartTimer() {
  timer_time_ = time_;
  timer_ = scheduler_->After(time_ - clock_->Steady(), [this, strand = strand_, owner = owner_] {
    boost::asio::post(strand, [this, owner] {
      if (const std::shared_ptr<void> alive = owner.lock()) OnTimer();
    });
  });
}

void Deadline::OnTimer() {
  const SteadyTime now = clock_->Steady();
  // Of a timer that had fired when another took its place.
  if (now < timer_time_) return;
  timer_time_ = SteadyTime::InfiniteFuture();
  if (time_ == SteadyTime::InfiniteFuture()) return;
  if (now < time_) {
    StartTimer();
    return;
  }
  Clear();
  expire_();
}

}  // namespace belfry::http
