#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/logging.h"
#include "server/base/mutex.h"
#include "server/base/scheduler.h"
#include "server/base/text.h"

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
    MutexLock lock(&mutex_);
    const Key key = {time, ++last_number_};
    waiting_.emplace(key, std::move(work));
    return std::make_unique<FakeTimer>(this, key);
  }

  // Moves the clock on and runs what comes due on the way, each at its time, on this thread; also
  // what that work adds. Zero: what is due by now.
  void Advance(absl::Duration by = absl::ZeroDuration()) {
    const absl::Time end = clock_->Now() + by;
    while (absl::AnyInvocable<void()> work = TakeNext(end)) work();
    if (end > clock_->Now()) clock_->Advance(end - clock_->Now());
  }

  // When the next work is due; InfiniteFuture when there is none.
  absl::Time Next() const {
    MutexLock lock(&mutex_);
    return waiting_.empty() ? absl::InfiniteFuture() : waiting_.begin()->first.first;
  }

 private:
  using Key = std::pair<absl::Time, std::uint64_t>;

  class FakeTimer final : public Timer {
   public:
    FakeTimer(FakeScheduler* scheduler, Key key) : scheduler_(scheduler), key_(key) {}
    ~FakeTimer() override { scheduler_->CallOff(key_); }

   private:
    FakeScheduler* const scheduler_;
    const Key key_;
  };

  absl::AnyInvocable<void()> TakeNext(absl::Time end) {
    MutexLock lock(&mutex_);
    if (waiting_.empty() || waiting_.begin()->first.first > end) return nullptr;
    const absl::Time due = waiting_.begin()->first.first;
    if (due > clock_->Now()) clock_->Advance(due - clock_->Now());
    absl::AnyInvocable<void()> work = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    return work;
  }

  void CallOff(const Key& key) {
    absl::AnyInvocable<void()> dropped;  // Outlives the lock.
    MutexLock lock(&mutex_);
    if (const auto it = waiting_.find(key); it != waiting_.end()) {
      dropped = std::move(it->second);
      waiting_.erase(it);
    }
  }

  FakeClock* const clock_;
  mutable Mutex mutex_;
  std::map<Key, absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry
