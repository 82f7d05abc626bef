#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proto/vault/backend.grpc.pb.h"
#include "server/mounts/mount_entry.h"
#include "server/mounts/special_paths.h"
#include "server/plugin_host/host_services.h"
#include "server/plugin_host/instance_slot.h"
#include "server/plugin_host/plugin_process.h"

namespace belfry::plugin_host {

// One mount in one plugin process, set up and initialized: its listener, its multiplex id, its
// share of the process. Thread-safe. Destroying it cleans up in the plugin, and stops the process
// when nobody else uses it. (plugin-protocol 4.2, 6.3, 6.4)
class PluginInstance final : public Instance {
 public:
  // Blocks for as long as a plugin may take. Unavailable, with a reason for operators, when it
  // fails.
  static absl::StatusOr<std::unique_ptr<PluginInstance>> Start(
      const std::shared_ptr<PluginProcess>& process, const PluginProgram& program,
      const mounts::MountEntry& entry, MountServices services);
  // What a plugin says its version is, of a process that serves nothing else: set up without
  // configuration and storage, as Vault does when a plugin is registered. Blocks and fails
  // likewise. (plugin-protocol 6.1)
  static absl::StatusOr<std::string> ProbeVersion(const std::shared_ptr<PluginProcess>& process,
                                                  const PluginProgram& program,
                                                  MountServices services);
  ~PluginInstance() override;

  // A slot that was filled with PluginInstances has no others.
  static PluginInstance& Of(Instance& instance) { return static_cast<PluginInstance&>(instance); }
  // False once it has said that it does not know belfry.v1.Backend.
  bool TakesWrites() const { return takes_writes_; }
  void NoteThatItTakesNoWrites() { takes_writes_ = false; }
  // Puts the multiplex id on a call.
  void Address(grpc::ClientContext& context) const;
  PluginProcess& process() const { return *process_; }
  Found KillIfSilent() override;
  pid_t pid() const override { return process_->pid(); }
  bool running() const override { return process_->running(); }
  // As of HostServices.
  void AllowWrites() const override { services_->AllowWrites(); }
  void ForbidWrites() const override { services_->ForbidWrites(); }
  // What the plugin says its version is.
  const std::string& version() const { return version_; }
  const std::shared_ptr<const mounts::SpecialPaths>& special_paths() const {
    return special_paths_;
  }

 private:
  PluginInstance(std::shared_ptr<PluginProcess> process, std::string mount_path,
                 const Limits& limits);
  static absl::StatusOr<std::unique_ptr<PluginInstance>> Connect(
      std::shared_ptr<PluginProcess> process, const std::string& mount_path,
      MountServices services);
  void Limit(grpc::ClientContext& context) const;
  absl::Status SetUp(const std::string& backend_uuid,
                     const std::map<std::string, std::string>& config);
  absl::Status CheckType();
  void AskVersion();
  absl::Status AskSpecialPaths();
  absl::Status Initialize();
  void CleanUp();

  const Limits limits_;
  const std::string mount_path_;
  // Shared with the other mounts of the process.
  const std::shared_ptr<PluginProcess> process_;
  const std::uint32_t listener_id_;
  const std::string socket_;
  const std::string multiplex_id_;
  const std::unique_ptr<pb::Backend::Stub> backend_;
  std::atomic<bool> takes_writes_ = true;
  std::unique_ptr<HostServices> services_;
  std::string version_;
  // Shared with requests that ask about a path while the plugin is set up again.
  std::shared_ptr<const mounts::SpecialPaths> special_paths_;
  bool set_up_ = false;
};

}  // namespace belfry::plugin_host
