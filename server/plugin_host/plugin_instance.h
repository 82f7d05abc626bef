#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "server/mounts/mount_entry.h"
#include "server/mounts/special_paths.h"
#include "server/plugin_host/instance_slot.h"
#include "server/plugin_host/mount_services.h"
#include "server/plugin_host/plugin_process.h"
#include "server/plugin_host/plugin_program.h"

namespace belfry::plugin_host {

// One mount in one plugin process, set up and initialized, as its engine and the calls to it need
// it. Thread-safe. Destroying it cleans up in the plugin, and stops the process when nobody else
// uses it. (plugin-protocol 4.2, 6.3, 6.4)
class PluginInstance : public Instance {
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

  // A slot that was filled with PluginInstances has no others.
  static PluginInstance& Of(Instance& instance) { return static_cast<PluginInstance&>(instance); }
  // False once it has said that it does not know belfry.v1.Backend.
  bool TakesWrites() const { return takes_writes_; }
  void NoteThatItTakesNoWrites() { takes_writes_ = false; }
  // Where it is called. Lives as long as the instance.
  virtual const std::shared_ptr<grpc::Channel>& channel() const = 0;
  // Puts the multiplex id on a call.
  virtual void Address(grpc::ClientContext& context) const = 0;
  // It has answered a request.
  virtual void NoteAnswer() = 0;
  // What the plugin says its version is.
  virtual const std::string& version() const = 0;
  // Of the program that runs, in hex.
  virtual const std::string& sha256() const = 0;
  // Shared with requests that ask about a path while the plugin is set up again.
  virtual const std::shared_ptr<const mounts::SpecialPaths>& special_paths() const = 0;

 private:
  std::atomic<bool> takes_writes_ = true;
};

}  // namespace belfry::plugin_host
