#pragma once

#include "absl/time/time.h"
#include "server/base/mutex.h"

namespace belfry {

// Counts who is using something, so that whoever takes it away can wait for them. Thread-safe.
class Gate {
 public:
  void Enter();
  void Leave();
  // Returns when everyone who entered has left.
  void WaitUntilEmpty();
  // The same, but no longer than `limit`: then false.
  bool WaitUntilEmpty(absl::Duration limit);

 private:
  Mutex mutex_;
  CondVar left_;
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry
