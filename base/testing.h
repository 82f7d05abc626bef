#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "base/scheduler.h"
#include "base/text.h"

namespace belfry {

// Keeps log lines for a test to look at, each as "logger: message: key=value". Thread-safe.
class RecordingLogSink final : public LogSink {
 public:
  void Write(LogLevel, std::string_view logger, std::string_view message,
             std::span<const LogField> fields) override {
    std::string line = Concat({logger, ": ", message});
    if (!fields.empty()) line += ':';
    for (const LogField& field : fields) line += Concat({" ", field.key, "=", field.value});
    MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }

  std::vector<std::string> Lines() const {
    MutexLock lock(&mutex_);
    return lines_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

// Runs work when a test moves the clock. Thread-safe, but a timer that is destroyed on one thread
// does not wait for work that another's Advance runs.
class FakeScheduler final : public Scheduler {
 public:
  // `clock` must outlive it.
  explicit FakeScheduler(FakeClock* clock) : clock_(clock) {}

  std::unique_ptr<Timer> At(absl::Time time, absl::AnyInvocable<void()> work) override {
    return Add(time, std::move(work));
  }
  std::unique_ptr<Timer> After(absl::Duration delay, absl::AnyInvocable<void()> work) override {
    return Add(clock_->Steady() + delay, std::move(work));
  }

  // Moves the clock on and runs what comes due on the way, each at its time, on this thread; also
  // what that work adds. Zero: what is due by now.
  void Advance(absl::Duration by = absl::ZeroDuration()) {
    const SteadyTime end = clock_->Steady() + by;
    while (absl::AnyInvocable<void()> work = TakeNext(end)) work();
    if (end > clock_->Steady()) clock_->Advance(end - clock_->Steady());
  }

  // When the next work is due, if nobody sets the clock; InfiniteFuture when there is none.
  absl::Time Next() const {
    MutexLock lock(&mutex_);
    return clock_->Now() +
           std::min(Left(by_wall_clock_, clock_->Now()), Left(by_steady_clock_, clock_->Steady()));
  }

 private:
  template <typename When>
  using Key = std::pair<When, std::uint64_t>;
  template <typename When>
  using Waiting = std::map<Key<When>, absl::AnyInvocable<void()>>;

  template <typename When>
  class FakeTimer final : public Timer {
   public:
    FakeTimer(FakeScheduler* scheduler, Key<When> key) : scheduler_(scheduler), key_(key) {}
    ~FakeTimer() override { scheduler_->CallOff(key_); }

   private:
    FakeScheduler* const scheduler_;
    const Key<When> key_;
  };

  Waiting<absl::Time>& WaitingFor(absl::Time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return by_wall_clock_;
  }
  Waiting<SteadyTime>& WaitingFor(SteadyTime) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return by_steady_clock_;
  }

  template <typename When>
  std::unique_ptr<Timer> Add(When time, absl::AnyInvocable<void()> work) {
    MutexLock lock(&mutex_);
    const Key<When> key = {time, ++last_number_};
    WaitingFor(time).emplace(key, std::move(work));
    return std::make_unique<FakeTimer<When>>(this, key);
  }

  template <typename When>
  static absl::Duration Left(const Waiting<When>& waiting, When now) {
    return waiting.empty() ? absl::InfiniteDuration() : waiting.begin()->first.first - now;
  }

  absl::AnyInvocable<void()> TakeNext(SteadyTime end) {
    MutexLock lock(&mutex_);
    const absl::Duration by_wall_clock = Left(by_wall_clock_, clock_->Now());
    const absl::Duration by_steady_clock = Left(by_steady_clock_, clock_->Steady());
    const absl::Duration next = std::min(by_wall_clock, by_steady_clock);
    if (next > end - clock_->Steady()) return nullptr;
    if (next > absl::ZeroDuration()) clock_->Advance(next);
    return by_wall_clock <= by_steady_clock ? TakeFirst(by_wall_clock_)
                                            : TakeFirst(by_steady_clock_);
  }

  template <typename When>
  static absl::AnyInvocable<void()> TakeFirst(Waiting<When>& waiting) {
    absl::AnyInvocable<void()> work = std::move(waiting.begin()->second);
    waiting.erase(waiting.begin());
    return work;
  }

  template <typename When>
  void CallOff(const Key<When>& key) {
    absl::AnyInvocable<void()> dropped;  // Outlives the lock.
    MutexLock lock(&mutex_);
    Waiting<When>& waiting = WaitingFor(key.first);
    if (const auto it = waiting.find(key); it != waiting.end()) {
      dropped = std::move(it->second);
      waiting.erase(it);
    }
  }

  FakeClock* const clock_;
  mutable Mutex mutex_;
  Waiting<absl::Time> by_wall_clock_ ABSL_GUARDED_BY(mutex_);
  Waiting<SteadyTime> by_steady_clock_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry
