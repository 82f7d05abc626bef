#include "server/access/token_expirer.h"

#include <utility>

namespace belfry::access {
namespace {

constexpr absl::Duration kRetryDelay = absl::Seconds(1);

}  // namespace

TokenExpirer::TokenExpirer(TokenStore* tokens, const Clock* clock, Scheduler* scheduler,
                           Executor* executor)
    : tokens_(tokens), clock_(clock), scheduler_(scheduler), executor_(executor) {
  tokens_->OnEarlierExpiry([this](absl::Time time) { WakeBy(time); });
  Expire();
}

TokenExpirer::~TokenExpirer() {
  tokens_->OnEarlierExpiry([](absl::Time) {});
  std::unique_ptr<Timer> timer;
  std::unique_ptr<Timer> retry_timer;
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
    timer = std::move(timer_);
    retry_timer = std::move(retry_timer_);
  }
  timer.reset();
  retry_timer.reset();
  work_.Wait();
}

void TokenExpirer::WakeBy(absl::Time time) {
  std::unique_ptr<Timer> old;  // Called off without the lock.
  MutexLock lock(&mutex_);
  if (stopped_ || time >= wakes_) return;
  wakes_ = time;
  old = std::exchange(timer_, scheduler_->At(time, [this] { Post(); }));
}

void TokenExpirer::Post() {
  work_.Add();
  executor_->PostAlways([this] {
    Expire();
    work_.Done();
  });
}

void TokenExpirer::Expire() {
  {
    MutexLock lock(&mutex_);
    wakes_ = absl::InfiniteFuture();
  }
  const absl::Time next = tokens_->ExpireDue();
  if (next > clock_->Now()) return WakeBy(next);
  std::unique_ptr<Timer> old;  // Called off without the lock.
  MutexLock lock(&mutex_);
  if (stopped_) return;
  old = std::exchange(retry_timer_, scheduler_->After(kRetryDelay, [this] { Post(); }));
}

}  // namespace belfry::access
