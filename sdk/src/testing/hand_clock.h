#pragma once

#include "absl/time/time.h"
#include "base/mutex.h"
#include "belfry/lease.h"
#include "belfry/testing/fake_host.h"

namespace belfry::testing {

// A time that moves only when a test says so. Thread-safe.
class HandClock final {
 public:
  absl::Time Now() const {
    MutexLock lock(&mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    MutexLock lock(&mutex_);
    now_ += by;
  }

 private:
  mutable Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = kStartOfTime;
};

// The terms of the mount, which tests change. Thread-safe.
class SetTerms final {
 public:
  LeaseTtls Get() const {
    MutexLock lock(&mutex_);
    return ttls_;
  }
  void Set(LeaseTtls ttls) {
    MutexLock lock(&mutex_);
    ttls_ = ttls;
  }

 private:
  mutable Mutex mutex_;
  LeaseTtls ttls_ ABSL_GUARDED_BY(mutex_) = {absl::Hours(768), absl::Hours(768)};
};

}  // namespace belfry::testing
