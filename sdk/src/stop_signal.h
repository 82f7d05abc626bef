#pragma once

#include <chrono>

#include "base/mutex.h"

namespace belfry::internal {

// Says once that the plugin shall stop. Threads: safe.
class StopSignal final {
 public:
  void Request() {
    MutexLock lock(&mutex_);
    requested_ = true;
    changed_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(&mutex_);
    while (!requested_) changed_.Wait(&mutex_);
  }
  // False when it was not requested by then.
  bool WaitUntil(std::chrono::steady_clock::time_point deadline) {
    MutexLock lock(&mutex_);
    while (!requested_) {
      if (!changed_.WaitUntil(&mutex_, deadline)) return requested_;
    }
    return true;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool requested_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::internal
