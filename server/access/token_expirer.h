#pragma once

#include <memory>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "base/scheduler.h"
#include "base/wait_group.h"
#include "server/access/token_store.h"

namespace belfry::access {

// Ends tokens when their time is over, so that whoever hangs on one hears of it then and not when
// somebody asks the next time. Where storage does not let go of one, tries again after a second.
class TokenExpirer {
 public:
  // Everything must outlive it, and the store is no longer used by others when it is destroyed.
  TokenExpirer(TokenStore* tokens, const Clock* clock, Scheduler* scheduler, Executor* executor);
  // Waits for what is under way.
  ~TokenExpirer();

 private:
  void WakeBy(absl::Time time);
  void Post();
  void Expire();

  TokenStore* const tokens_;
  const Clock* const clock_;
  Scheduler* const scheduler_;
  Executor* const executor_;
  WaitGroup work_;  // What runs on the executor.
  Mutex mutex_;
  std::unique_ptr<Timer> timer_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Timer> retry_timer_ ABSL_GUARDED_BY(mutex_);
  absl::Time wakes_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::access
