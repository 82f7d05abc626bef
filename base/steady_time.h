#pragma once

#include <chrono>
#include <compare>

#include "absl/time/time.h"

namespace belfry {

// A moment of the machine's monotonic clock, which nobody sets: for deadlines and delays. It says
// nothing of the time of day and means nothing to another machine or after a restart of this one.
class SteadyTime {
 public:
  // InfinitePast.
  constexpr SteadyTime() = default;
  static SteadyTime Now() { return FromChrono(std::chrono::steady_clock::now()); }
  static SteadyTime FromChrono(std::chrono::steady_clock::time_point time) {
    return SteadyTime(absl::FromChrono(time.time_since_epoch()));
  }
  static constexpr SteadyTime InfiniteFuture() { return SteadyTime(absl::InfiniteDuration()); }
  static constexpr SteadyTime InfinitePast() { return SteadyTime(); }

  // For waiting; the infinite ones become the farthest that there are.
  std::chrono::steady_clock::time_point ToChrono() const {
    return std::chrono::steady_clock::time_point(absl::ToChronoNanoseconds(since_boot_));
  }

  // Infinities stay what they are.
  friend SteadyTime operator+(SteadyTime time, absl::Duration by) {
    return SteadyTime(time.since_boot_ + by);
  }
  friend absl::Duration operator-(SteadyTime a, SteadyTime b) {
    return a.since_boot_ - b.since_boot_;
  }
  friend bool operator==(SteadyTime a, SteadyTime b) { return a.since_boot_ == b.since_boot_; }
  friend std::weak_ordering operator<=>(SteadyTime a, SteadyTime b) {
    if (a.since_boot_ == b.since_boot_) return std::weak_ordering::equivalent;
    return a.since_boot_ < b.since_boot_ ? std::weak_ordering::less : std::weak_ordering::greater;
  }

 private:
  explicit constexpr SteadyTime(absl::Duration since_boot) : since_boot_(since_boot) {}

  absl::Duration since_boot_ = -absl::InfiniteDuration();
};

}  // namespace belfry
