#include "sdk/wire/lock_checks.h"

#include <gtest/gtest.h>

#include "absl/synchronization/mutex.h"

namespace belfry::wire {
namespace {

// Where Abseil still looks for deadlocks, this ends the program.
TEST(LockChecks, OnceStoppedNoOrderOfLocksIsAMistake) {
  StopLockChecks();
  absl::Mutex first, second;
  for (absl::Mutex* outer : {&first, &second}) {
    const absl::MutexLock lock(outer);
    const absl::MutexLock inner(outer == &first ? &second : &first);
  }
}

}  // namespace
}  // namespace belfry::wire
