#include "base/clock.h"

#include "absl/time/clock.h"

namespace belfry {

absl::Time SystemClock::Now() const {
  return absl::Now();
}

SteadyTime SystemClock::Steady() const {
  return SteadyTime::Now();
}

absl::Time FakeClock::Now() const {
  MutexLock lock(&mutex_);
  return now_;
}

SteadyTime FakeClock::Steady() const {
  MutexLock lock(&mutex_);
  return steady_;
}

void FakeClock::Advance(absl::Duration by) {
  MutexLock lock(&mutex_);
  now_ += by;
  steady_ = steady_ + by;
}

void FakeClock::SetWallClock(absl::Time now) {
  MutexLock lock(&mutex_);
  now_ = now;
}

}  // namespace belfry
