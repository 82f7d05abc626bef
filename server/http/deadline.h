#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "server/http/strand.h"

namespace belfry::http {

// Ends what a session has under way when its time has come. Cheap to set again and again: while the
// time only moves later the timer is left alone, and looks again when it fires. Not thread-safe:
// belongs to the strand.
class Deadline final {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Deadline(const Strand& strand) : timer_(strand) {}

  // What runs, on the strand, when the deadline passes; the deadline is then no longer set. `owner`
  // is what the deadline is a member of: it is kept alive meanwhile, and nothing runs once it is
  // gone. To be called once, before the deadline is set.
  void OnExpiry(std::weak_ptr<void> owner, absl::AnyInvocable<void()> expire);

  void SetAt(Clock::time_point time);
  void SetAfter(Clock::duration delay) { SetAt(Clock::now() + delay); }
  // It does not pass until it is set again.
  void Clear() { time_ = kNever; }

 private:
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  void StartTimer();
  void OnTimer();

  boost::asio::steady_timer timer_;
  std::weak_ptr<void> owner_;
  absl::AnyInvocable<void()> expire_;
  Clock::time_point time_ = kNever;
  Clock::time_point timer_time_ = kNever;  // When the timer fires, which may be before time_.
};

}  // namespace belfry::http
