#include "sdk/wire/lock_checks.h"

#include "absl/synchronization/mutex.h"

namespace belfry::wire {

void StopLockChecks() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace belfry::wire
