#include "sdk/src/plugin_server.h"

#include <utility>

#include "base/text.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/server_builder.h"
#include "sdk/wire/deadline.h"

namespace belfry::internal {
namespace {

constexpr int kUnlimited = -1;
// A thread that has answered stays for the next request, up to so many. gRPC's own number is two,
// and then it ends and starts a thread for almost every request of a busy plugin.
constexpr int kKeptThreads = 64;

}  // namespace

PluginServer::PluginServer(Options options)
    : options_(std::move(options)),
      broker_(Broker::Options{}),
      instances_(options_.mounts),
      multiplexing_(options_.mounts),
      controller_(&stop_),
      stdio_(options_.stdio),
      // Hosts close the broker stream just before they call Shutdown, so its end only means that
      // nobody will come who does not know the address yet; the call, if it comes, still finds us.
      broker_service_(&broker_, [this] { stop_.Request(); }),
      backend_({.engine = {.define = options_.plugin.define,
                           .kind = options_.plugin.kind,
                           .log = options_.log,
                           .now = options_.now},
                .trust = options_.trust,
                .metadata_mode = options_.metadata_mode,
                .broker = &broker_,
                .instances = &instances_}),
      writes_(&backend_),
      version_(options_.plugin.version, &instances_) {}

PluginServer::~PluginServer() {
  Stop(std::chrono::milliseconds(0));
}

absl::StatusOr<std::unique_ptr<PluginServer>> PluginServer::Start(Options options) {
  std::unique_ptr<PluginServer> server(new PluginServer(std::move(options)));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

absl::Status PluginServer::Listen() {
  // Lets tools ask what the plugin offers; for every server of the process, as the library does as
  // soon as it is linked. (plugin-protocol 1.8)
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kUnlimited);
  builder.SetMaxSendMessageSize(kUnlimited);
  builder.AddListeningPort(Concat({"unix:", options_.socket_path}),
                           wire::ServerCredentials(options_.trust));
  grpc::Service* const services[] = {&health_,         &multiplexing_, &controller_, &stdio_,
                                     &broker_service_, &backend_,      &writes_,     &version_};
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, kKeptThreads);
  server_ = builder.BuildAndStart();
  if (server_) return absl::OkStatus();
  return absl::InternalError(Concat(
      {"cannot listen on ", options_.socket_path, ", or the host's certificate is not valid"}));
}

void PluginServer::WaitForStop() {
  stop_.Wait();
}

void PluginServer::HostMayHaveLeft() {
  if (!broker_service_.HasHost()) stop_.Request();
}

void PluginServer::Stop(std::chrono::milliseconds grace) {
  if (!server_) return;
  broker_.Stop();
  broker_service_.Stop();
  options_.stdio->Stop();
  server_->Shutdown(wire::DeadlineAfter(absl::FromChrono(grace)));
  server_->Wait();
  for (auto& [id, instance] : instances_.RemoveAll()) instance->Cleanup();
  server_.reset();
}

}  // namespace belfry::internal
