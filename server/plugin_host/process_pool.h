#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "server/mounts/plugin_catalog.h"
#include "server/plugin_host/plugin_process.h"
#include "server/plugin_host/plugin_program.h"
#include "server/plugin_host/running_processes.h"
#include "server/plugin_host/socket_directory.h"

namespace belfry::plugin_host {

enum class StartReason {
  kRequested,  // Somebody mounts, tunes or reloads.
  kCrash,      // A process has died; then too many failed starts have to wait.
};

// The processes of plugins. Mounts with equal catalog entries share one, if the plugin says that it
// can be shared. Thread-safe; outlives the processes. (plugin-protocol 4.2)
class ProcessPool {
 public:
  // Told of an end that nobody asked for, on a thread that must not be held up.
  using OnCrash = std::function<void(const mounts::PluginEntry&, const ExitStatus&)>;

  // The pointers must outlive the pool.
  ProcessPool(SocketDirectory* sockets, const Clock* clock, Limits limits, OnCrash on_crash,
              Logger logger);
  ~ProcessPool();

  // A process that runs, or a new one. Blocks for as long as a plugin may take to start; callers
  // that want the same one meanwhile wait and share it, or its failure. Unavailable, with one
  // sentence, when it does not start, or may not yet after its crashes; ResourceExhausted as of
  // Launch.
  absl::StatusOr<std::shared_ptr<PluginProcess>> Acquire(const PluginProgram& program,
                                                         StartReason reason);
  // A process of its own. Blocks likewise. ResourceExhausted when Limits::max_plugin_starts_at_once
  // starts for this reason are under way: a slow plugin must not hold up others.
  absl::StatusOr<std::unique_ptr<PluginProcess>> Launch(const PluginProgram& program,
                                                        PluginProcess::Observer observer,
                                                        StartReason reason);
  // What the pool knows of the plugin's crashes is kept for as long as this.
  std::shared_ptr<const void> Record(const mounts::PluginEntry& entry);
  // Nobody joins the processes of this plugin any more that run now.
  void Retire(std::string_view plugin);
  // In order of name and version. Does not block.
  std::vector<mounts::PluginProcesses> Processes() const;

  // The host is ending: nothing starts any more, what is starting is killed.
  void StopStarting();
  // Looks at all processes side by side and kills those that do not answer. Blocks for
  // Limits::plugin_probe_timeout, and until what it killed is gone.
  void KillSilent();
  // SIGKILL for all; does not wait.
  void KillAll(std::string_view reason) { running_.KillAll(reason); }
  // Whether StopStarting has been called.
  bool stopping() const { return stopping_; }

 private:
  struct Slot;

  std::shared_ptr<Slot> SlotOf(const mounts::PluginEntry& entry);
  absl::StatusOr<std::shared_ptr<PluginProcess>> Start(const PluginProgram& program,
                                                       const std::shared_ptr<Slot>& slot,
                                                       StartReason reason);
  void LogRestart(const Slot& slot, const PluginProcess& process) const;
  std::vector<std::shared_ptr<Slot>> Slots() const;
  std::vector<std::shared_ptr<PluginProcess>> Held(const Slot& slot) const;
  void LetGo(std::vector<std::shared_ptr<PluginProcess>> held) const;

  SocketDirectory* const sockets_;
  const Clock* const clock_;
  const Limits limits_;
  const OnCrash on_crash_;
  const Logger logger_;
  mutable Mutex mutex_;
  // By all fields of the entry. Weak: the mounts of the plugin own it, with starts under way and
  // the processes' observers.
  std::map<std::string, std::weak_ptr<Slot>, std::less<>> slots_ ABSL_GUARDED_BY(mutex_);
  RunningProcesses running_;
  std::atomic<bool> stopping_ = false;
  // Starts under way, by reason.
  std::atomic<std::size_t> requested_starts_ = 0;
  std::atomic<std::size_t> crash_starts_ = 0;
  // Destroys processes, which blocks, for those that only looked at them. The last to be made, so
  // that what it destroys finds the rest.
  const std::unique_ptr<Executor> ends_;
};

}  // namespace belfry::plugin_host
