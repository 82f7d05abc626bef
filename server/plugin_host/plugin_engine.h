#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/steady_time.h"
#include "base/wait_group.h"
#include "server/mounts/engine.h"
#include "server/mounts/mount_entry.h"
#include "server/plugin_host/plugin_instance.h"
#include "server/plugin_host/plugin_program.h"
#include "server/plugin_host/process_pool.h"

namespace belfry::plugin_host {

// Starts the instances of one mount. Thread-safe.
class InstanceStarter {
 public:
  virtual ~InstanceStarter() = default;
  // The plugin that the catalog has for the mount. Codes as of EngineFactory::Create.
  virtual absl::StatusOr<PluginProgram> Resolve(const mounts::MountEntry& entry) const = 0;
  // What was resolved once, as it is to be started now: a program that the catalog takes as it lies
  // in its folder may have been rebuilt.
  virtual PluginProgram Current(const PluginProgram& program) const = 0;
  // Blocks for as long as a plugin may take; never called on a thread of gRPC. Of its errors,
  // clients see what ForClients leaves.
  virtual absl::StatusOr<std::unique_ptr<PluginInstance>> Start(const PluginProgram& program,
                                                                const mounts::MountEntry& entry,
                                                                StartReason reason) const = 0;
  // How often the mount's plugins have been let write to its storage.
  virtual std::uint64_t Writes() const = 0;
};

// A mount's engine that runs as a plugin. When its process has died it is restarted before the next
// request is sent; a request that this interrupts is sent once more. Thread-safe. Destroying it
// waits for requests under way and stops the plugin. (plugin-protocol 6.4)
class PluginEngine final : public mounts::Engine {
 public:
  // Starts the first instance; codes as of EngineFactory::Create. `executor`, where it restarts
  // after a crash, is shared with mounts that may wait for the same plugin. `metrics` must outlive
  // the engine.
  static absl::StatusOr<std::unique_ptr<PluginEngine>> Create(
      std::unique_ptr<InstanceStarter> starter, const mounts::MountEntry& entry,
      std::shared_ptr<Executor> executor, Metrics* metrics, const Limits& limits, Logger logger);
  ~PluginEngine() override;

  void Handle(mounts::Request request,
              absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) override;
  void Write(mounts::Request request,
             absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) override;
  void CheckExistence(mounts::Request request,
                      absl::AnyInvocable<void(absl::StatusOr<mounts::Existence>)> done) override;
  std::string RunningVersion() const override;
  std::string RunningSha256() const override;
  std::shared_ptr<const mounts::SpecialPaths> Special() const override;
  absl::Status Restart(const mounts::MountEntry& entry) override;
  void KillIfSilent() override;

 private:
  // What an instance is made from.
  struct LaunchSpec {
    PluginProgram program;
    mounts::MountEntry entry;
  };

  PluginEngine(std::unique_ptr<InstanceStarter> starter, LaunchSpec launch_spec,
               std::unique_ptr<PluginInstance> first, std::shared_ptr<Executor> executor,
               Metrics* metrics, const Limits& limits, Logger logger);
  template <typename Traits>
  class Call;
  // What a write is for a plugin that takes none: two questions.
  void CheckThenHandle(pb::Request request, SteadyTime deadline,
                       absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done);

  // Takes the instance to go on with, or why there is none.
  using Continuation = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<PluginInstance>>)>;

  std::shared_ptr<PluginInstance> Current() const;
  // A call that waits until a restart has ended.
  struct Held {
    const pb::Request* request = nullptr;
    Continuation start;
  };

  // Gives `start` the current instance: at once, or when a restart has ended. ResourceExhausted
  // when too many wait for that already. `request` lives, and does not change, until Forget.
  void Begin(const pb::Request* request, Continuation start);
  void Forget(const pb::Request* request);
  // The call that Begin let go is over; `used` is what it was sent to last, null if it was not.
  void End(std::shared_ptr<PluginInstance> used);
  // A call that goes on has no use for this instance any more. Does not block: a retired one that
  // this was the last to use is destroyed on the executor.
  void Release(std::shared_ptr<PluginInstance> used);
  // For a call whose connection to `broken` broke. Does not block: `then` runs at once when another
  // instance runs already, else on the executor. It gets `broken` itself when that still answers.
  // All that wait are served by one restart.
  void Recover(const PluginInstance* broken, Continuation then);
  // Blocks: the instance to go on with, restarted if need be.
  absl::StatusOr<std::shared_ptr<PluginInstance>> Replace();
  // Serves all that wait.
  void EndRecovery(absl::StatusOr<std::shared_ptr<PluginInstance>> instance);
  // Returns when no call is with the plugin.
  void Drain();
  void LogWhatHoldsUp() const;
  // Goes on with another instance: calls under way stay with theirs.
  void Adopt(std::shared_ptr<PluginInstance> instance);
  // For a restart that has failed, perhaps after the new instance had changed what is stored.
  void Revert(std::uint64_t writes_before);
  // Lets the calls go on that a restart has held back.
  void ResumeHeld();
  // Destroys the instances that nobody uses any more. Blocks.
  void Sweep();

  const std::unique_ptr<InstanceStarter> starter_;
  const std::shared_ptr<Executor> executor_;
  Counter& restarts_;
  const Limits limits_;
  const Logger logger_;
  WaitGroup calls_;    // Calls and recoveries: the engine lives until they are over.
  WaitGroup started_;  // Calls that have been let go to the plugin.
  mutable Mutex mutex_;
  LaunchSpec launch_spec_ ABSL_GUARDED_BY(mutex_);
  // Shared: a call keeps the instance it was sent to.
  std::shared_ptr<PluginInstance> current_ ABSL_GUARDED_BY(mutex_);
  bool recovering_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Continuation> waiting_ ABSL_GUARDED_BY(mutex_);
  bool holding_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Held> held_ ABSL_GUARDED_BY(mutex_);
  // The requests of calls that have been let go to the plugin.
  std::set<const pb::Request*> under_way_ ABSL_GUARDED_BY(mutex_);
  // Kept until no call refers to them, so that none is destroyed on a thread of gRPC.
  std::vector<std::shared_ptr<PluginInstance>> retired_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
