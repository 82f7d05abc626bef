#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/logging.h"
#include "base/scheduler.h"
#include "server/process/lifecycle.h"

namespace belfry::process {

// Unseals a server that unseals by itself: tries, and after a failure tries again, with pauses that
// grow. After sys/seal nothing is tried any more. Not thread-safe: it is used where the states are
// changed, one after the other.
class AutoUnsealer {
 public:
  static constexpr absl::Duration kFirstPause = absl::Seconds(5);
  static constexpr absl::Duration kLongestPause = absl::Minutes(1);

  // `post` runs what it is given where states are changed; from any thread. All must outlive it,
  // `lifecycle` until Stop.
  AutoUnsealer(Lifecycle* lifecycle, Scheduler* scheduler, Logger logger,
               absl::AnyInvocable<void(absl::AnyInvocable<void()>)> post);

  // Nothing where people unseal, where nothing is initialized, and where it is unsealed.
  void Try();
  // Nothing is tried any more.
  void Stop() { timer_.reset(); }

 private:
  void TryLater(const absl::Status& reason);

  Lifecycle* const lifecycle_;
  Scheduler* const scheduler_;
  const Logger logger_;
  absl::AnyInvocable<void(absl::AnyInvocable<void()>)> post_;
  absl::Duration pause_ = kFirstPause;
  std::unique_ptr<Timer> timer_;
};

}  // namespace belfry::process
