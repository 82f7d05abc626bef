#pragma once

#include "absl/time/time.h"
#include "base/mutex.h"

namespace belfry {

// Counts who is using something, so that whoever takes it away can wait for them. Thread-safe.
class WaitGroup {
 public:
  void Add();
  void Done();
  // Returns when everyone who was added is done.
  void Wait();
  // The same, but no longer than `limit`: then false.
  bool Wait(absl::Duration limit);

 private:
  Mutex mutex_;
  CondVar done_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry
