#include "server/base/executor.h"

#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace belfry {
namespace {

class ThreadPool final : public Executor {
 public:
  ThreadPool(std::size_t threads, std::size_t max_waiting_tasks)
      : max_waiting_tasks_(max_waiting_tasks) {
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
    {
      MutexLock lock(&mutex_);
      if (waiting_.size() >= max_waiting_tasks_) return false;
      waiting_.push_back(std::move(work));
    }
    changed_.NotifyOne();
    return true;
  }

  void PostAlways(absl::AnyInvocable<void()> work) override {
    {
      MutexLock lock(&mutex_);
      waiting_.push_back(std::move(work));
    }
    changed_.NotifyOne();
  }

 private:
  void Run() {
    for (;;) {
      absl::AnyInvocable<void()> work;
      {
        MutexLock lock(&mutex_);
        while (waiting_.empty() && !stopping_) changed_.Wait(&mutex_);
        if (waiting_.empty()) return;
        work = std::move(waiting_.front());
        waiting_.pop_front();
      }
      work();
    }
  }

  const std::size_t max_waiting_tasks_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Executor> NewThreadPool(std::size_t threads, std::size_t max_waiting_tasks) {
  return std::make_unique<ThreadPool>(threads, max_waiting_tasks);
}

}  // namespace belfry
