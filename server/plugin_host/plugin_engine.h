#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "server/mounts/engine.h"
#include "server/mounts/mount_entry.h"
#include "server/plugin_host/instance_slot.h"
#include "server/plugin_host/plugin_call.h"
#include "server/plugin_host/plugin_instance.h"
#include "server/plugin_host/plugin_program.h"
#include "server/plugin_host/process_pool.h"
#include "server/plugin_host/request_turns.h"

namespace belfry::plugin_host {

// Starts the instances of one mount. Thread-safe.
class InstanceStarter : public InstanceSlot::Starter {
 public:
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

  absl::StatusOr<std::unique_ptr<Instance>> StartRequested(const LaunchSpec& spec) const final;
  absl::StatusOr<std::unique_ptr<Instance>> StartAfterCrash(const LaunchSpec& spec) const final;
};

// A mount's engine that runs as a plugin. When its process has died it is restarted before the next
// request is sent; a request that this interrupts is sent once more, unless it has stored
// something. Thread-safe. Destroying it waits for requests under way and stops the plugin.
// (plugin-protocol 6.4)
class PluginEngine final : public mounts::Engine {
 public:
  // Starts the first instance; codes as of EngineFactory::Create. `executor`, where it restarts
  // after a crash, is shared with mounts that may wait for the same plugin, `large_paths` and
  // `stored_requests` with what serves its instances. `metrics` must outlive the engine.
  static absl::StatusOr<std::unique_ptr<PluginEngine>> Create(
      std::unique_ptr<InstanceStarter> starter, const mounts::MountEntry& entry,
      std::shared_ptr<Executor> executor, std::shared_ptr<LargePaths> large_paths,
      std::shared_ptr<StoredRequests> stored_requests, Metrics* metrics, const Limits& limits,
      const Logger& logger);

  template <typename Result>
  using Done = absl::AnyInvocable<void(absl::StatusOr<Result>)>;

  void Handle(mounts::Request request, Done<mounts::Reply> done) override;
  void Write(mounts::Request request, Done<mounts::Reply> done) override;
  void CheckExistence(mounts::Request request, Done<mounts::Existence> done) override;
  std::string RunningVersion() const override;
  std::string RunningSha256() const override;
  std::shared_ptr<const mounts::SpecialPaths> Special() const override;
  absl::Status Restart(const mounts::MountEntry& entry) override;
  void KillIfSilent() override;
  void NoteDisabling(bool disabling) override;

 private:
  PluginEngine(std::unique_ptr<InstanceStarter> starter, LaunchSpec spec,
               std::unique_ptr<Instance> first, std::shared_ptr<Executor> executor,
               std::shared_ptr<LargePaths> large_paths,
               std::shared_ptr<StoredRequests> stored_requests, Metrics* metrics,
               const Limits& limits, const Logger& logger);

  template <typename Result>
  using Call = void (*)(InstanceSlot* slot, PluginRequest request, Done<Result> done);

  // Sends the request when its turn has come.
  template <typename Result>
  void InTurn(mounts::Request request, Done<Result> done, Call<Result> call);

  const std::unique_ptr<InstanceStarter> starter_;
  const std::shared_ptr<StoredRequests> stored_requests_;
  // Outlives the requests that the slot waits for.
  RequestTurns turns_;
  // Looking at its instance is a use that it counts.
  mutable InstanceSlot slot_;
};

}  // namespace belfry::plugin_host
