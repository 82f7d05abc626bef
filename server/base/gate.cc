#include "server/base/gate.h"

#include <chrono>

namespace belfry {

void Gate::Enter() {
  MutexLock lock(&mutex_);
  ++inside_;
}

void Gate::Leave() {
  MutexLock lock(&mutex_);
  --inside_;
  // Under the lock: the waiter may destroy the gate as soon as it can take it.
  if (inside_ == 0) left_.NotifyAll();
}

void Gate::WaitUntilEmpty() {
  MutexLock lock(&mutex_);
  while (inside_ > 0) left_.Wait(&mutex_);
}

bool Gate::WaitUntilEmpty(absl::Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(limit);
  MutexLock lock(&mutex_);
  while (inside_ > 0) {
    if (!left_.WaitUntil(&mutex_, deadline)) return inside_ == 0;
  }
  return true;
}

}  // namespace belfry
