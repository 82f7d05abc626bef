#include "base/wait_group.h"

#include <chrono>

namespace belfry {

void WaitGroup::Add() {
  MutexLock lock(&mutex_);
  ++count_;
}

void WaitGroup::Done() {
  MutexLock lock(&mutex_);
  --count_;
  // Under the lock: the waiter may destroy the group as soon as it can take it.
  if (count_ == 0) done_.NotifyAll();
}

void WaitGroup::Wait() {
  MutexLock lock(&mutex_);
  while (count_ > 0) done_.Wait(&mutex_);
}

bool WaitGroup::Wait(absl::Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(limit);
  MutexLock lock(&mutex_);
  while (count_ > 0) {
    if (!done_.WaitUntil(&mutex_, deadline)) return count_ == 0;
  }
  return true;
}

}  // namespace belfry
