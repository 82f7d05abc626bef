#include "base/executor.h"

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/owner_turns.h"

namespace belfry {
namespace {

class ThreadPool final : public Executor {
  using Owned = OwnerTurns<absl::AnyInvocable<void()>>::Owned;

 public:
  ThreadPool(std::size_t threads, std::size_t max_waiting_tasks)
      : max_waiting_tasks_(max_waiting_tasks), max_running_(std::max<std::size_t>(threads / 2, 1)) {
    threads_.reserve(threads);
    // The destructor joins every thread, so that `this` outlives them.
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
  }

  ~ThreadPool() override {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
    }
    changed_.NotifyAll();
    for (std::thread& thread : threads_) thread.join();
  }

  bool Post(absl::AnyInvocable<void()>&& work) override {
    return Add("", max_waiting_tasks_, std::move(work));
  }
  bool PostFor(std::string_view owner, absl::AnyInvocable<void()>&& work) override {
    return Add(owner, std::max<std::size_t>(max_waiting_tasks_ / 4, 1), std::move(work));
  }
  void PostAlways(absl::AnyInvocable<void()> work) override { PostAlwaysFor("", std::move(work)); }
  void PostAlwaysFor(std::string_view owner, absl::AnyInvocable<void()> work) override {
    {
      MutexLock lock(&mutex_);
      waiting_.Add(owner, std::move(work));
    }
    changed_.NotifyOne();
  }

 private:
  // `most`: of this owner.
  bool Add(std::string_view owner, std::size_t most, absl::AnyInvocable<void()>&& work) {
    {
      MutexLock lock(&mutex_);
      if (waiting_.size() >= max_waiting_tasks_ || waiting_.SizeOf(owner) >= most) return false;
      waiting_.Add(owner, std::move(work));
    }
    changed_.NotifyOne();
    return true;
  }

  void Run() {
    for (;;) {
      std::optional<Owned> work;
      {
        MutexLock lock(&mutex_);
        while (!(work = Begin()) && !stopping_) changed_.Wait(&mutex_);
      }
      // What is left waits for owners whose work runs: the threads that run it take that, too.
      if (!work) return;
      work->item();
      MutexLock lock(&mutex_);
      Finish(work->owner);
    }
  }

  // The next work of an owner that may have one more thread; nullopt when all that waits, waits for
  // its owner's work to end.
  std::optional<Owned> Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto may = [running = &running_, this](const std::string& owner) {
      const auto found = running->find(owner);
      return owner.empty() || found == running->end() || found->second < max_running_;
    };
    std::optional<Owned> work = waiting_.TakeOf(may);
    if (work) ++running_[work->owner];
    return work;
  }

  void Finish(const std::string& owner) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = running_.find(owner);
    if (--found->second == 0) running_.erase(found);
  }

  const std::size_t max_waiting_tasks_;
  const std::size_t max_running_;  // Of one owner.
  Mutex mutex_;
  CondVar changed_;
  OwnerTurns<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> running_ ABSL_GUARDED_BY(mutex_);  // By owner.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

class ElasticPool final : public Executor {
 public:
  ElasticPool(std::size_t max_threads, std::size_t max_waiting_tasks)
      : max_threads_(max_threads), max_waiting_tasks_(max_waiting_tasks) {}

  ~ElasticPool() override {
    MutexLock lock(&mutex_);
    while (!running_.empty()) ended_.Wait(&mutex_);
    Join();
  }

  bool Post(absl::AnyInvocable<void()>&& work) override {
    MutexLock lock(&mutex_);
    Join();
    if (running_.size() >= max_threads_ && waiting_.size() >= max_waiting_tasks_) return false;
    Add(std::move(work));
    return true;
  }

  void PostAlways(absl::AnyInvocable<void()> work) override {
    MutexLock lock(&mutex_);
    Join();
    Add(std::move(work));
  }

 private:
  // Oldest first; an iterator stays valid until its thread has left the list.
  using Threads = std::list<std::thread>;

  void Add(absl::AnyInvocable<void()> work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    waiting_.push_back(std::move(work));
    if (running_.size() >= max_threads_) return;
    const auto self = running_.emplace(running_.end());
    // The destructor waits for it, so that `this` outlives it.
    *self = std::thread([this, self] { Run(self); });
  }

  void Run(Threads::iterator self) {
    MutexLock lock(&mutex_);
    while (!waiting_.empty()) {
      absl::AnyInvocable<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      mutex_.Unlock();
      work();
      work = nullptr;
      mutex_.Lock();
    }
    finished_.splice(finished_.end(), running_, self);
    if (running_.empty()) ended_.NotifyAll();
  }

  // What has finished takes no lock any more but for the one that it is about to give back.
  void Join() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Threads finished;
    finished.swap(finished_);
    mutex_.Unlock();
    for (std::thread& thread : finished) thread.join();
    mutex_.Lock();
  }

  const std::size_t max_threads_;
  const std::size_t max_waiting_tasks_;
  Mutex mutex_;
  CondVar ended_;
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  Threads running_ ABSL_GUARDED_BY(mutex_);
  Threads finished_ ABSL_GUARDED_BY(mutex_);  // To be joined.
};

}  // namespace

std::unique_ptr<Executor> NewElasticPool(std::size_t max_threads, std::size_t max_waiting_tasks) {
  return std::make_unique<ElasticPool>(max_threads, max_waiting_tasks);
}

std::unique_ptr<Executor> NewThreadPool(std::size_t threads, std::size_t max_waiting_tasks) {
  return std::make_unique<ThreadPool>(threads, max_waiting_tasks);
}

}  // namespace belfry
