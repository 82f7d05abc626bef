#include "server/base/clock.h"

#include "absl/time/clock.h"

namespace belfry {

absl::Time SystemClock::Now() const {
  return absl::Now();
}

absl::Time FakeClock::Now() const {
  MutexLock lock(&mutex_);
  return now_;
}

void FakeClock::Advance(absl::Duration by) {
  MutexLock lock(&mutex_);
  now_ += by;
}

}  // namespace belfry
