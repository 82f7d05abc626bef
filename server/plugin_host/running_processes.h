#pragma once

#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry::plugin_host {

// Every process of a plugin, from its start to its end, so that the end of the host can end those
// that it would otherwise wait for. Thread-safe.
class RunningProcesses {
 public:
  // Kills a process for this reason; does not wait.
  using Kill = std::function<void(std::string_view reason)>;

  // Keeps a process registered; must not outlive the process.
  class Registration {
   public:
    Registration(RunningProcesses* all, Kill kill) : all_(all), kill_(std::move(kill)) {
      all_->Add(this);
    }
    ~Registration() { all_->Remove(this); }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    // Its handshake is done: it may be asked to stop.
    void NoteReady() { all_->NoteReady(this); }

   private:
    friend class RunningProcesses;

    RunningProcesses* const all_;
    const Kill kill_;
  };

  // Kills what has not done its handshake; from now on, also what starts.
  void KillStarting() {
    MutexLock lock(&mutex_);
    closed_ = true;
    for (const auto& [process, ready] : all_) {
      if (!ready) process->kill_(kNothingStarts);
    }
  }

  // Kills all, and what starts from now on.
  void KillAll(std::string_view reason) {
    MutexLock lock(&mutex_);
    closed_ = true;
    for (const auto& [process, ready] : all_) process->kill_(reason);
  }

 private:
  static constexpr std::string_view kNothingStarts = "the server is stopping";

  void Add(Registration* process) {
    MutexLock lock(&mutex_);
    all_.emplace(process, false);
    if (closed_) process->kill_(kNothingStarts);
  }
  void Remove(Registration* process) {
    MutexLock lock(&mutex_);
    all_.erase(process);
  }
  void NoteReady(Registration* process) {
    MutexLock lock(&mutex_);
    all_[process] = true;
  }

  Mutex mutex_;
  std::map<Registration*, bool> all_ ABSL_GUARDED_BY(mutex_);  // Whether it is ready.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::plugin_host
