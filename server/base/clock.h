#pragma once

#include "absl/time/time.h"

namespace belfry {

// Where wall-clock time comes from. Thread-safe. Code that asks absl::Now() itself cannot be tested without sleeping.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

// The machine's clock.
class SystemClock final : public Clock {
 public:
  absl::Time Now() const override;
};

// A clock that stands still until a test moves it.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time start);
  ~FakeClock() override;
  absl::Time Now() const override;
  void Advance(absl::Duration by);

 private:
  struct State;
  State* const state_;
};

}  // namespace belfry
