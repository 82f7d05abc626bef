#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "belfry/serve.h"
#include "proto/vault/backend.grpc.pb.h"
#include "proto/vault/grpc_broker.grpc.pb.h"
#include "proto/vault/grpc_controller.grpc.pb.h"
#include "sdk/src/grpc_status.h"
#include "sdk/src/lease_translation.h"
#include "sdk/src/plugin_server.h"
#include "sdk/src/testing/asked.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/testing/hand_clock.h"
#include "sdk/src/testing/host_server.h"
#include "sdk/src/testing/recorded_log.h"
#include "sdk/src/testing/scratch_directory.h"
#include "sdk/src/testing/wire_reply.h"
#include "sdk/wire/certificate.h"
#include "sdk/wire/credentials.h"
#include "sdk/wire/handshake.h"

namespace belfry::testing {
namespace {

constexpr char kMountId[] = "wirehost01";
constexpr std::uint32_t kBrokerId = 1;
constexpr std::chrono::seconds kCallLimit(60);
constexpr std::chrono::milliseconds kStopGrace(1000);

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "belfry: %s\n", why.c_str());
  std::abort();
}

template <typename T>
T ValueOrDie(absl::StatusOr<T> value) {
  if (!value.ok()) Die(value.status().ToString());
  return *std::move(value);
}

// The context of a call about the one mount.
class MountCall {
 public:
  MountCall() {
    context_.AddMetadata(wire::kMultiplexIdMetadata, kMountId);
    context_.set_deadline(std::chrono::system_clock::now() + kCallLimit);
  }
  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
};

class WireHost final : public TestHost {
 public:
  WireHost(void (*define)(Engine&), MountOptions options, EngineKind kind)
      : plugin_certificate_(ValueOrDie(wire::NewCertificate())),
        host_certificate_(ValueOrDie(wire::NewCertificate())),
        host_(host_path(), HostTrust(), HostKind::kBelfry, &storage_, &events_,
              [this] { return ttls_.Get(); }),
        plugin_(ValueOrDie(internal::PluginServer::Start(PluginOptions(define, kind)))),
        channel_(wire::Connect("unix", plugin_path(), HostTrust())),
        backend_(pb::Backend::NewStub(channel_)),
        broker_(plugin::GRPCBroker::NewStub(channel_)),
        broker_stream_(broker_->StartStream(&broker_context_)) {
    Mount(options);
  }

  ~WireHost() override {
    Unmount();
    grpc::ClientContext context;
    plugin::Empty stopped;
    plugin::GRPCController::NewStub(channel_)->Shutdown(&context, plugin::Empty(), &stopped);
    plugin_->WaitForStop();
    plugin_->Stop(kStopGrace);
    broker_context_.TryCancel();
    broker_stream_->Finish();
  }

  void Restart(MountOptions options) override {
    Unmount();
    Mount(options);
  }
  absl::Status RunBackground() override {
    Die("a plugin behind a WireHost does its work in the background by itself; use NewFakeHost");
  }
  void Invalidate(std::string_view key) override {
    MountCall call;
    pb::InvalidateKeyArgs arguments;
    arguments.set_key(std::string(key));
    pb::Empty empty;
    const grpc::Status status = backend_->InvalidateKey(call.context(), arguments, &empty);
    if (!status.ok()) Die("the plugin does not take an invalidation: " + status.error_message());
  }
  FakeStorage& storage() override { return storage_; }
  std::vector<SentEvent> events() const override { return events_.All(); }
  void RefuseEvents(absl::Status status) override { events_.Refuse(std::move(status)); }
  std::vector<LoggedLine> log() const override { return log_.All(); }
  void SetTtls(LeaseTtls ttls) override { ttls_.Set(ttls); }
  absl::Time Now() const override { return clock_.Now(); }
  void Advance(absl::Duration by) override { clock_.Advance(by); }

 private:
  std::string host_path() const { return directory_.path() + "/host"; }
  std::string plugin_path() const { return directory_.path() + "/plugin"; }
  wire::Trust HostTrust() const { return {host_certificate_, plugin_certificate_.certificate_pem}; }
  internal::PluginServer::Options PluginOptions(void (*define)(Engine&), EngineKind kind) {
    return {.plugin = {.name = "test", .version = "", .define = define, .kind = kind},
            .socket_path = plugin_path(),
            .trust = wire::Trust{plugin_certificate_, host_certificate_.certificate_pem},
            .metadata_mode = false,
            .stdio = &stdio_,
            .log = &log_,
            .now = [this] { return clock_.Now(); }};
  }

  void Mount(const MountOptions& options) {
    Announce();
    Setup(options);
    Initialize();
  }
  void Unmount() {
    MountCall call;
    pb::Empty empty;
    backend_->Cleanup(call.context(), pb::Empty(), &empty);
  }

  void Announce() {
    plugin::ConnInfo info;
    info.set_service_id(kBrokerId);
    info.set_network("unix");
    info.set_address(host_path());
    if (!broker_stream_->Write(info)) Die("the plugin does not take the broker's stream");
  }

  void Setup(const MountOptions& options) {
    MountCall call;
    pb::SetupArgs arguments;
    arguments.set_broker_id(kBrokerId);
    arguments.mutable_config()->insert(options.begin(), options.end());
    arguments.set_backenduuid("wire-host");
    pb::SetupReply reply;
    const grpc::Status status = backend_->Setup(call.context(), arguments, &reply);
    if (!status.ok()) Die("the plugin cannot be set up: " + status.error_message());
    if (!reply.err().empty()) Die("the plugin is described wrongly: " + reply.err());
  }

  void Initialize() {
    MountCall call;
    pb::InitializeReply reply;
    const grpc::Status status = backend_->Initialize(call.context(), pb::InitializeArgs(), &reply);
    if (!status.ok()) Die("the plugin did not initialize: " + status.error_message());
    if (reply.has_err()) Die("the plugin did not initialize: " + reply.err().err_msg());
  }

  pb::Request NewRequest(const Asked& asked) const {
    pb::Request request;
    request.set_id(kRequestId);
    request.set_operation(asked.operation);
    request.set_path(asked.path);
    request.set_data(Json(asked.data).Dump());
    request.set_display_name("token");
    request.mutable_connection()->set_remote_addr("127.0.0.1");
    if (asked.leased == nullptr) return request;
    const absl::Time issued = clock_.Now() - asked.renewal.age;
    const std::int64_t increment = absl::ToInt64Nanoseconds(asked.renewal.increment);
    if (asked.leased->lease()) {
      pb::Secret& secret = *request.mutable_secret();
      internal::ToProto(asked.leased->secret_kind(), *asked.leased->lease(), issued, secret);
      secret.mutable_lease_options()->set_increment(increment);
    }
    if (asked.leased->grant()) {
      pb::Auth& auth = *request.mutable_auth();
      internal::ToProto(*asked.leased->grant(), issued, auth);
      auth.mutable_lease_options()->set_increment(increment);
    }
    return request;
  }

  Result Answer(const Asked& asked) override {
    MountCall call;
    pb::HandleRequestArgs arguments;
    *arguments.mutable_request() = NewRequest(asked);
    pb::HandleRequestReply reply;
    const grpc::Status status = backend_->HandleRequest(call.context(), arguments, &reply);
    if (!status.ok()) return internal::FromGrpc(status);
    return FromReply(asked.operation, reply);
  }

  absl::StatusOr<std::optional<bool>> Exists(const Asked& asked) override {
    MountCall call;
    pb::HandleExistenceCheckArgs arguments;
    *arguments.mutable_request() = NewRequest(asked);
    pb::HandleExistenceCheckReply reply;
    const grpc::Status status = backend_->HandleExistenceCheck(call.context(), arguments, &reply);
    if (!status.ok()) return internal::FromGrpc(status);
    if (reply.has_err()) return FromProto(reply.err());
    if (!reply.check_found()) return std::nullopt;
    return reply.exists();
  }

  const ScratchDirectory directory_;
  InMemoryFakeStorage storage_;
  RecordedEvents events_;
  internal::StdioBuffer stdio_;
  const RecordedLog log_;
  HandClock clock_;
  SetTerms ttls_;
  const wire::Certificate plugin_certificate_, host_certificate_;
  HostServer host_;
  const std::unique_ptr<internal::PluginServer> plugin_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<pb::Backend::Stub> backend_;
  const std::unique_ptr<plugin::GRPCBroker::Stub> broker_;
  grpc::ClientContext broker_context_;
  const std::unique_ptr<grpc::ClientReaderWriter<plugin::ConnInfo, plugin::ConnInfo>>
      broker_stream_;
};

}  // namespace

std::unique_ptr<TestHost> NewWireHost(void (*define)(Engine&), MountOptions options) {
  return std::make_unique<WireHost>(define, std::move(options), EngineKind::kSecrets);
}

std::unique_ptr<TestHost> NewWireAuthHost(void (*define)(Engine&), MountOptions options) {
  return std::make_unique<WireHost>(define, std::move(options), EngineKind::kAuth);
}

}  // namespace belfry::testing
