#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/descriptor.h"
#include "base/mutex.h"
#include "base/spawn.h"

namespace belfry::plugin_host {

// How a process ended.
struct ExitStatus {
  int code = 0;
  int signal = 0;        // 0: it ended by itself, with `code`.
  bool by_kill = false;  // Process::Kill has ended it.
};

// "exited with code 3", "was ended by signal 9 (Killed)".
std::string Describe(const ExitStatus& status);

// Told what a process prints and that it has ended; called on the one thread that watches it, which
// must not be held up for long.
class ProcessObserver {
 public:
  virtual ~ProcessObserver() = default;
  virtual void OnOutput(std::string_view bytes) = 0;
  virtual void OnErrorOutput(std::string_view bytes) = 0;
  // The last call.
  virtual void OnExit(const ExitStatus& status) = 0;
};

// A child process whose output is always read. Thread-safe. Destroying it kills the process and
// waits for its end.
//
// Its end is seen when the process itself is gone, even while a child of it keeps the pipes open.
// With a process group of its own (SpawnOptions), what is left of the group is killed then; a child
// that has left the group lives on.
class Process {
 public:
  // Standard output and error of `options` are overwritten. `observer` outlives the process. Codes
  // as of Spawn.
  static absl::StatusOr<std::unique_ptr<Process>> Start(SpawnOptions options,
                                                        ProcessObserver* observer);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running() const;
  // SIGKILL, for its group where it has one; does not wait. False, and nothing happens, when it has
  // ended already; false also when this is not the first time.
  bool Kill();
  // False when it still runs after `limit`.
  bool WaitForExit(absl::Duration limit);

 private:
  Process(pid_t pid, SpawnOptions::Session session, Descriptor handle, Descriptor output,
          Descriptor error_output, ProcessObserver* observer);
  void Watch();
  bool HasEnded() const;
  ExitStatus Reap();

  const pid_t pid_;
  const pid_t killed_;  // As kill(2) takes it.
  Descriptor handle_;
  Descriptor output_;
  Descriptor error_output_;
  ProcessObserver* const observer_;
  mutable Mutex mutex_;
  CondVar ended_;
  bool running_ ABSL_GUARDED_BY(mutex_) = true;
  bool killed_by_us_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread watcher_;
};

}  // namespace belfry::plugin_host
