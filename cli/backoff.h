#pragma once

#include <random>

#include "absl/time/time.h"

namespace belfry::cli {

// How long to wait before the next attempt. Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration first, absl::Duration longest)
      : first_(first), longest_(longest), bound_(first) {}

  // A random time between half and all of a bound, which is `first` and then twice as long each
  // time, up to `longest`: clients that have lost a server together do not come back together.
  absl::Duration Next();
  // An attempt has succeeded: the next bound is `first` again.
  void Reset() { bound_ = first_; }

 private:
  const absl::Duration first_;
  const absl::Duration longest_;
  absl::Duration bound_;
  std::mt19937 random_{std::random_device{}()};
};

}  // namespace belfry::cli
