#include "server/base/scheduler.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace belfry {
namespace {

// Waiting goes by a clock that nobody sets: look again so often.
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
    Key key;
    {
      MutexLock lock(&mutex_);
      key = {time, ++last_number_};
      waiting_.emplace(key, std::move(work));
    }
    changed_.NotifyAll();
    return std::make_unique<ThreadTimer>(this, key);
  }

 private:
  // When, and which of those.
  using Key = std::pair<absl::Time, std::uint64_t>;

  class ThreadTimer final : public Timer {
   public:
    ThreadTimer(ThreadScheduler* scheduler, Key key) : scheduler_(scheduler), key_(key) {}
    ~ThreadTimer() override { scheduler_->CallOff(key_); }

   private:
    ThreadScheduler* const scheduler_;
    const Key key_;
  };

  void CallOff(const Key& key) {
    absl::AnyInvocable<void()> dropped;  // Destroyed last: what it holds may have timers itself.
    MutexLock lock(&mutex_);
    if (const auto it = waiting_.find(key); it != waiting_.end()) {
      dropped = std::move(it->second);
      waiting_.erase(it);
    }
    if (std::this_thread::get_id() == thread_.get_id()) return;
    while (running_ == key.second) changed_.Wait(&mutex_);
  }

  void Run() {
    MutexLock lock(&mutex_);
    while (!stopping_) {
      const absl::Time now = clock_->Now();
      if (waiting_.empty()) {
        changed_.Wait(&mutex_);
      } else if (const absl::Time next = waiting_.begin()->first.first; next > now) {
        const absl::Duration wait = std::min(next - now, kLongestWait);
        (void)changed_.WaitUntil(
            &mutex_, std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(wait));
      } else {
        RunFirst();
      }
    }
  }

  void RunFirst() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    {
      absl::AnyInvocable<void()> work = std::move(waiting_.begin()->second);
      running_ = waiting_.begin()->first.second;
      waiting_.erase(waiting_.begin());
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
  std::map<Key, absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t running_ ABSL_GUARDED_BY(mutex_) = 0;  // Its number; 0: nothing.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses the rest.
};

}  // namespace

std::unique_ptr<Scheduler> NewScheduler(const Clock* clock) {
  return std::make_unique<ThreadScheduler>(clock);
}

}  // namespace belfry
