#pragma once

#include <functional>
#include <set>

#include "base/mutex.h"
#include "grpcpp/server_context.h"
#include "proto/vault/grpc_broker.grpc.pb.h"
#include "proto/vault/grpc_controller.grpc.pb.h"
#include "proto/vault/grpc_stdio.grpc.pb.h"
#include "proto/vault/health.grpc.pb.h"
#include "proto/vault/multiplexing.grpc.pb.h"
#include "sdk/src/backend_service.h"
#include "sdk/src/broker.h"
#include "sdk/src/stdio_buffer.h"
#include "sdk/src/stop_signal.h"

namespace belfry::internal {

// What go-plugin expects of every plugin beside its own service. (plugin-protocol 1.8, 3)
// Threads: gRPC's. What they point to must outlive them.

class HealthService final : public grpc::health::v1::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse*) override;
};

// Whether this process may serve several mounts. (plugin-protocol 4.2)
class MultiplexingService final : public pluginutil::multiplexing::PluginMultiplexing::Service {
 public:
  explicit MultiplexingService(MountsPerProcess mounts) : mounts_(mounts) {}
  grpc::Status MultiplexingSupport(grpc::ServerContext*,
                                   const pluginutil::multiplexing::MultiplexingSupportRequest*,
                                   pluginutil::multiplexing::MultiplexingSupportResponse*) override;

 private:
  const MountsPerProcess mounts_;
};

// Shutdown answers first; whoever waits for the signal then stops the server. (plugin-protocol 1.7)
class ControllerService final : public plugin::GRPCController::Service {
 public:
  explicit ControllerService(StopSignal* stop) : stop_(stop) {}
  grpc::Status Shutdown(grpc::ServerContext*, const plugin::Empty*, plugin::Empty*) override;

 private:
  StopSignal* const stop_;
};

// One reader at a time is what the protocol knows; several share what the plugin prints.
class StdioService final : public plugin::GRPCStdio::Service {
 public:
  explicit StdioService(StdioBuffer* buffer) : buffer_(buffer) {}
  grpc::Status StreamStdio(grpc::ServerContext*, const google::protobuf::Empty*,
                           grpc::ServerWriter<plugin::StdioData>*) override;

 private:
  StdioBuffer* const buffer_;
};

// Passes the host's announcements on to the broker, and tells how many hosts hold the stream open:
// it lasts as long as the host does.
class BrokerService final : public plugin::GRPCBroker::Service {
 public:
  // `on_host_left` is called, on gRPC's thread, when the last open stream has ended.
  BrokerService(Broker* broker, std::function<void()> on_host_left)
      : broker_(broker), on_host_left_(std::move(on_host_left)) {}
  grpc::Status StartStream(grpc::ServerContext*,
                           grpc::ServerReaderWriter<plugin::ConnInfo, plugin::ConnInfo>*) override;

  bool HasHost() const;
  // Cancels the open streams, and every later one.
  void Stop();

 private:
  Broker* const broker_;
  const std::function<void()> on_host_left_;
  mutable Mutex mutex_;
  std::set<grpc::ServerContext*> open_ ABSL_GUARDED_BY(mutex_);  // Each until its handler returns.
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::internal
