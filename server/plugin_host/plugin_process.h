#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "proto/vault/grpc_broker.grpc.pb.h"
#include "proto/vault/grpc_stdio.grpc.pb.h"
#include "sdk/wire/credentials.h"
#include "sdk/wire/handshake.h"
#include "server/base/limits.h"
#include "server/base/logging.h"
#include "server/plugin_host/handshake_reader.h"
#include "server/plugin_host/process.h"
#include "server/plugin_host/socket_directory.h"

namespace belfry::plugin_host {

struct PluginProgram {
  std::string name;
  std::string path;
  std::string vault_version;
};

// A plugin's process after its handshake: connected with mutual TLS, its output drained, its broker
// open. Thread-safe. Destroying it stops the plugin: Shutdown, the time of Limits, SIGKILL; then
// its folder of sockets is removed. (plugin-protocol 1, 2, 3)
class PluginProcess {
 public:
  // `sockets` must outlive it. Unavailable, with one sentence that names the plugin, for each way
  // in which a start can fail.
  static absl::StatusOr<std::unique_ptr<PluginProcess>> Start(const PluginProgram& program,
                                                              SocketDirectory* sockets,
                                                              const Limits& limits,
                                                              const Logger& logger);
  ~PluginProcess();

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const wire::Trust& trust() const { return trust_; }
  // Where this process's sockets lie, the host's for it included.
  const std::string& folder() const { return folder_; }
  bool running() const { return process_->running(); }
  // Whether it can be spoken to, now. Blocks for two seconds at most.
  bool Answers() const;
  // SIGKILL; does not wait.
  void Kill() { process_->Kill(); }
  // False when it still runs after `limit`.
  bool WaitForExit(absl::Duration limit) const { return process_->WaitForExit(limit); }
  // Tells the plugin where the listener with this id is. False when the plugin is gone.
  bool Announce(std::uint32_t id, const std::string& socket);

 private:
  PluginProcess(std::string folder, const Limits& limits, const Logger& logger);
  absl::Status Launch(const PluginProgram& program, SocketDirectory* sockets);
  absl::Status Connect(const wire::Handshake& handshake);
  grpc::Status AskHealth(std::chrono::seconds limit) const;
  void DrainStdio();
  void DrainBroker();
  void AskToStop();

  const std::string folder_;
  const Limits limits_;
  const Logger logger_;
  wire::Trust trust_;
  HandshakeReader reader_;
  std::unique_ptr<Process> process_;
  std::shared_ptr<grpc::Channel> channel_;  // Shared: gRPC's own type.
  std::unique_ptr<plugin::GRPCBroker::Stub> broker_stub_;
  std::unique_ptr<plugin::GRPCStdio::Stub> stdio_stub_;
  grpc::ClientContext broker_context_;
  grpc::ClientContext stdio_context_;
  Mutex broker_mutex_;
  std::unique_ptr<grpc::ClientReaderWriter<plugin::ConnInfo, plugin::ConnInfo>> broker_;
  std::thread stdio_thread_;
  std::thread broker_thread_;
};

}  // namespace belfry::plugin_host
