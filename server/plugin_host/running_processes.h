#pragma once

#include <map>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/plugin_host/process.h"

namespace belfry::plugin_host {

// Every process of a plugin, from its start to its end, so that the end of the host can end those
// that it would otherwise wait for. Thread-safe.
class RunningProcesses {
 public:
  // Keeps a process registered; must not outlive the process.
  class Registration {
   public:
    Registration(RunningProcesses* all, Process* process) : all_(all), process_(process) {
      all_->Add(process_);
    }
    ~Registration() { all_->Remove(process_); }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    // Its handshake is done: it may be asked to stop.
    void NoteReady() { all_->NoteReady(process_); }

   private:
    RunningProcesses* const all_;
    Process* const process_;
  };

  // Kills what has not done its handshake; from now on, also what starts.
  void KillStarting() {
    MutexLock lock(&mutex_);
    closed_ = true;
    for (const auto& [process, ready] : all_) {
      if (!ready) process->Kill();
    }
  }

  // Kills all, and what starts from now on.
  void KillAll() {
    MutexLock lock(&mutex_);
    closed_ = true;
    for (const auto& [process, ready] : all_) process->Kill();
  }

 private:
  void Add(Process* process) {
    MutexLock lock(&mutex_);
    all_.emplace(process, false);
    if (closed_) process->Kill();
  }
  void Remove(Process* process) {
    MutexLock lock(&mutex_);
    all_.erase(process);
  }
  void NoteReady(Process* process) {
    MutexLock lock(&mutex_);
    all_[process] = true;
  }

  Mutex mutex_;
  std::map<Process*, bool> all_ ABSL_GUARDED_BY(mutex_);  // Whether it is ready.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::plugin_host
