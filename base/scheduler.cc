#include "base/scheduler.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry {
namespace {

// Waiting goes by a clock that nobody sets: look at the one that may be set so often.
constexpr absl::Duration kLongestWait = absl::Seconds(30);

class ThreadScheduler final : public Scheduler {
 public:
  explicit ThreadScheduler(const Clock* clock) : clock_(clock), thread_([this] { Run(); }) {}

  ~ThreadScheduler() override {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
    }
    changed_.NotifyAll();
    thread_.join();
  }

  std::unique_ptr<Timer> At(absl::Time time, absl::AnyInvocable<void()> work) override {
    return Add(time, std::move(work));
  }
  std::unique_ptr<Timer> After(absl::Duration delay, absl::AnyInvocable<void()> work) override {
    return Add(clock_->Steady() + delay, std::move(work));
  }

 private:
  // When, and which of those.
  template <typename When>
  using Key = std::pair<When, std::uint64_t>;
  template <typename When>
  using Waiting = std::map<Key<When>, absl::AnyInvocable<void()>>;

  template <typename When>
  class ThreadTimer final : public Timer {
   public:
    ThreadTimer(ThreadScheduler* scheduler, Key<When> key) : scheduler_(scheduler), key_(key) {}
    ~ThreadTimer() override { scheduler_->CallOff(key_); }

   private:
    ThreadScheduler* const scheduler_;
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
    Key<When> key;
    {
      MutexLock lock(&mutex_);
      key = {time, ++last_number_};
      WaitingFor(time).emplace(key, std::move(work));
    }
    changed_.NotifyAll();
    return std::make_unique<ThreadTimer<When>>(this, key);
  }

  template <typename When>
  void CallOff(const Key<When>& key) {
    absl::AnyInvocable<void()> dropped;  // Destroyed last: what it holds may have timers itself.
    MutexLock lock(&mutex_);
    Waiting<When>& waiting = WaitingFor(key.first);
    if (const auto it = waiting.find(key); it != waiting.end()) {
      dropped = std::move(it->second);
      waiting.erase(it);
    }
    if (std::this_thread::get_id() == thread_.get_id()) return;
    while (running_ == key.second) changed_.Wait(&mutex_);
  }

  void Run() {
    MutexLock lock(&mutex_);
    while (!stopping_) {
      const absl::Duration by_wall_clock = Left(by_wall_clock_, clock_->Now());
      const absl::Duration by_steady_clock = Left(by_steady_clock_, clock_->Steady());
      if (by_wall_clock <= absl::ZeroDuration()) {
        RunFirst(by_wall_clock_);
      } else if (by_steady_clock <= absl::ZeroDuration()) {
        RunFirst(by_steady_clock_);
      } else if (by_wall_clock_.empty() && by_steady_clock_.empty()) {
        changed_.Wait(&mutex_);
      } else {
        const absl::Duration wait = std::min({by_wall_clock, by_steady_clock, kLongestWait});
        (void)changed_.WaitUntil(&mutex_, (SteadyTime::Now() + wait).ToChrono());
      }
    }
  }

  // Until the first is due.
  template <typename When>
  static absl::Duration Left(const Waiting<When>& waiting, When now) {
    return waiting.empty() ? absl::InfiniteDuration() : waiting.begin()->first.first - now;
  }

  template <typename When>
  void RunFirst(Waiting<When>& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    {
      absl::AnyInvocable<void()> work = std::move(waiting.begin()->second);
      running_ = waiting.begin()->first.second;
      waiting.erase(waiting.begin());
      mutex_.Unlock();
      work();
      work = nullptr;
      mutex_.Lock();
    }
    running_ = 0;
    changed_.NotifyAll();
  }

  const Clock* const clock_;
  Mutex mutex_;
  CondVar changed_;
  Waiting<absl::Time> by_wall_clock_ ABSL_GUARDED_BY(mutex_);
  Waiting<SteadyTime> by_steady_clock_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t running_ ABSL_GUARDED_BY(mutex_) = 0;  // Its number; 0: nothing.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses the rest.
};

class Repeated final : public Timer {
 public:
  Repeated(Scheduler* scheduler, absl::Duration interval, absl::AnyInvocable<void()> work)
      : scheduler_(scheduler), interval_(interval), work_(std::move(work)) {
    Schedule();
  }

  ~Repeated() override {
    std::unique_ptr<Timer> next;  // Called off without the lock.
    {
      MutexLock lock(&mutex_);
      ended_ = true;
      next = std::move(next_);
    }
  }

 private:
  void Schedule() {
    std::unique_ptr<Timer> old;  // Called off without the lock.
    MutexLock lock(&mutex_);
    if (ended_) return;
    old = std::exchange(next_, scheduler_->After(interval_, [this] {
      work_();
      Schedule();
    }));
  }

  Scheduler* const scheduler_;
  const absl::Duration interval_;
  absl::AnyInvocable<void()> work_;  // Of the scheduler's thread.
  Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Timer> next_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Timer> Repeat(Scheduler* scheduler, absl::Duration interval,
                              absl::AnyInvocable<void()> work) {
  return std::make_unique<Repeated>(scheduler, interval, std::move(work));
}

std::unique_ptr<Scheduler> NewScheduler(const Clock* clock) {
  return std::make_unique<ThreadScheduler>(clock);
}

}  // namespace belfry
