#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/base/logging.h"
#include "server/base/mutex.h"
#include "server/mounts/plugin_catalog.h"
#include "server/plugin_host/plugin_process.h"
#include "server/plugin_host/plugin_program.h"
#include "server/plugin_host/socket_directory.h"

namespace belfry::plugin_host {

enum class StartReason {
  kRequested,  // Somebody mounts, tunes or reloads.
  kCrash,      // A process has died; then too many starts in vain have to wait.
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

  // A process that runs, or a new one. Blocks for as long as a plugin may take to start; whoever
  // wants the same one meanwhile waits and shares it. Unavailable, with one sentence, when it does
  // not start, or may not yet after its crashes.
  absl::StatusOr<std::shared_ptr<PluginProcess>> Acquire(const PluginProgram& program,
                                                         StartReason reason);
  // Nobody joins the processes of this plugin any more that run now.
  void Retire(std::string_view plugin);
  // In order of name and version. Holds processes while it looks: may block as their end does.
  std::vector<mounts::PluginProcesses> Processes() const;

 private:
  struct Slot;

  std::shared_ptr<Slot> SlotOf(const mounts::PluginEntry& entry);
  absl::StatusOr<std::shared_ptr<PluginProcess>> Start(const PluginProgram& program,
                                                       const std::shared_ptr<Slot>& slot);

  SocketDirectory* const sockets_;
  const Clock* const clock_;
  const Limits limits_;
  const OnCrash on_crash_;
  const Logger logger_;
  mutable Mutex mutex_;
  // By all fields of the entry. Shared with starts under way and the processes' observers.
  std::map<std::string, std::shared_ptr<Slot>, std::less<>> slots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
