// The process that EventPeer talks to: "bare" is gRPC and protobuf alone, "host" Belfry's own
// services for a mount.

#include <signal.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/limits.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/wire/credentials.h"
#include "server/bus/bus.h"
#include "server/plugin_host/host_services.h"
#include "server/storage/committer.h"

namespace belfry::bench {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class BareProducer final : public v1::EventProducer::Service {
  grpc::Status Publish(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::PublishReply, v1::PublishRequest>* stream) override {
    v1::PublishRequest request;
    v1::PublishReply reply;
    while (stream->Read(&request)) {
      reply.set_batch(request.batch());
      if (!stream->Write(reply)) break;
    }
    return grpc::Status::OK;
  }
};

class BareEvents final : public pb::Events::Service {
  grpc::Status SendEvent(grpc::ServerContext*, const pb::SendEventRequest*, pb::Empty*) override {
    return grpc::Status::OK;
  }
};

void WaitForEnd() {
  std::cout << "listening" << std::endl;
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  int signal = 0;
  sigwait(&end, &signal);
}

int ServeBare(const std::string& socket, const wire::Trust& trust) {
  BareProducer producer;
  BareEvents events;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, wire::ServerCredentials(trust));
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(&producer);
  builder.RegisterService(&events);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  WaitForEnd();
  return 0;
}

int ServeAsHost(const std::string& socket, const wire::Trust& trust) {
  const std::unique_ptr<Metrics> metrics = NewMetrics();
  const SystemClock clock;
  const std::unique_ptr<bus::Bus> bus =
      bus::Bus::Create(&clock, metrics.get(), Limits(), NewThreadPool(1));
  const std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage(bus.get());
  plugin_host::MountServices services{.storage = storage.get(),
                                      .clock = &clock,
                                      .metrics = metrics.get(),
                                      .logger = Logger(NewStderrLogSink(LogLevel::kError), "bench"),
                                      .vault_version = "1.21.0"};
  services.plugin_info.set_mount_class("secret");
  services.plugin_info.set_mount_accessor("kv_01234567");
  services.plugin_info.set_mount_path("bench/");
  services.plugin_info.set_plugin("emitter");
  const auto served = plugin_host::HostServices::Start(socket, trust, std::move(services));
  if (!served.ok()) return 1;
  WaitForEnd();
  return 0;
}

}  // namespace
}  // namespace belfry::bench

int main(int argc, char** argv) {
  using namespace belfry;
  if (argc != 3) {
    std::cerr
        << "usage: belfry-bench-peer bare|host FOLDER  (with server.pem, server.key, client.pem)\n";
    return 1;
  }
  // Blocked before any thread starts, so that none of gRPC's takes it.
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &end, nullptr);
  const std::string folder = argv[2];
  wire::Trust trust;
  trust.own.certificate_pem = bench::ReadFile(folder + "/server.pem");
  trust.own.private_key_pem = bench::ReadFile(folder + "/server.key");
  trust.peer_certificate_pem = bench::ReadFile(folder + "/client.pem");
  return std::string(argv[1]) == "bare" ? bench::ServeBare(folder + "/socket", trust)
                                        : bench::ServeAsHost(folder + "/socket", trust);
}
