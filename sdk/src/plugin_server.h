#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "belfry/log.h"
#include "belfry/serve.h"
#include "grpcpp/server.h"
#include "sdk/src/backend_service.h"
#include "sdk/src/broker.h"
#include "sdk/src/plugin_services.h"
#include "sdk/src/stdio_buffer.h"
#include "sdk/src/stop_signal.h"
#include "sdk/wire/credentials.h"

namespace belfry::internal {

// A plugin's gRPC server on a unix socket, with all services a host expects; knows no process:
// Serve runs it in one of its own, tests in theirs. Threads: safe.
class PluginServer final {
 public:
  struct Options {
    Plugin plugin;
    std::string socket_path;
    std::optional<wire::Trust> trust;  // Plaintext without.
    bool metadata_mode = false;
    MountsPerProcess mounts = MountsPerProcess::kMany;
    // Both must outlive the server.
    StdioBuffer* stdio = nullptr;
    const Log* log = nullptr;
    // The time that the plugin sees.
    std::function<absl::Time()> now = absl::Now;
  };

  // Internal when it cannot listen or the peer's certificate is none.
  static absl::StatusOr<std::unique_ptr<PluginServer>> Start(Options options);
  ~PluginServer();

  // Returns when the host has asked to stop, or has gone without asking.
  void WaitForStop();
  // For who finds out by other means that the host has gone; does nothing while its broker stream
  // is open, whose end says the same.
  void HostMayHaveLeft();
  // Ends the long streams, gives running calls `grace` and then cancels them; then lets the mounts
  // clean up. Waits for handlers that do not look at cancelled(). Once.
  void Stop(std::chrono::milliseconds grace);

 private:
  explicit PluginServer(Options options);
  absl::Status Listen();

  const Options options_;
  StopSignal stop_;
  Broker broker_;
  MountInstances instances_;
  HealthService health_;
  MultiplexingService multiplexing_;
  ControllerService controller_;
  StdioService stdio_;
  BrokerService broker_service_;
  BackendService backend_;
  WriteService writes_;
  VersionService version_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace belfry::internal
