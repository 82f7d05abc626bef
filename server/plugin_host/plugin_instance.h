#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proto/vault/backend.grpc.pb.h"
#include "server/mounts/mount_table.h"
#include "server/plugin_host/host_services.h"
#include "server/plugin_host/plugin_process.h"

namespace belfry::plugin_host {

// One mount in one plugin process, set up and initialized: its process, its listener, its multiplex
// id. Thread-safe. Destroying it cleans up in the plugin and stops the process.
// (plugin-protocol 4.2, 6.3, 6.4)
class PluginInstance {
 public:
  // Blocks for as long as a plugin may take to start. Unavailable, with one sentence, when it
  // fails.
  static absl::StatusOr<std::unique_ptr<PluginInstance>> Start(const PluginProgram& program,
                                                               const mounts::MountEntry& entry,
                                                               SocketDirectory* sockets,
                                                               MountServices services);
  ~PluginInstance();

  pb::Backend::Stub& backend() const { return *backend_; }
  // Puts the multiplex id on a call.
  void Address(grpc::ClientContext& context) const;
  PluginProcess& process() const { return *process_; }
  // What the plugin says its version is.
  const std::string& version() const { return version_; }

 private:
  explicit PluginInstance(const Limits& limits) : limits_(limits) {}
  void Limit(grpc::ClientContext& context) const;
  absl::Status SetUp(const mounts::MountEntry& entry);
  absl::Status CheckType();
  void AskVersion();
  absl::Status Initialize();

  const Limits limits_;
  // Declared first, destroyed last: a plugin may call until its process has ended.
  std::unique_ptr<HostServices> services_;
  std::unique_ptr<PluginProcess> process_;
  std::unique_ptr<pb::Backend::Stub> backend_;
  std::string multiplex_id_;
  std::string version_;
  bool set_up_ = false;
};

}  // namespace belfry::plugin_host
