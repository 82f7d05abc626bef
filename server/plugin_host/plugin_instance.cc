#include "server/plugin_host/plugin_instance.h"

#include <chrono>
#include <utility>

#include "proto/vault/version.grpc.pb.h"
#include "sdk/wire/handshake.h"
#include "server/base/ids.h"
#include "server/base/text.h"
#include "server/plugin_host/plugin_log.h"
#include "server/plugin_host/reply_conversion.h"

namespace belfry::plugin_host {
namespace {

// A process serves one mount, and so its broker has one listener to announce.
constexpr std::uint32_t kListenerId = 1;
constexpr std::size_t kMultiplexIdLength = 10;
constexpr int kSecretsPlugin = 1;

absl::Status Failed(std::string_view call, const grpc::Status& status, std::string_view error) {
  if (status.ok() && error.empty()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    return absl::UnavailableError(Concat({call, " was not answered in time"}));
  return absl::UnavailableError(Concat(
      {call,
       " failed: ", OneLine(status.ok() ? error : std::string_view(status.error_message()))}));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PluginInstance>> PluginInstance::Start(
    const PluginProgram& program, const mounts::MountEntry& entry, SocketDirectory* sockets,
    MountServices services) {
  const Limits limits = services.limits;
  absl::StatusOr<std::unique_ptr<PluginProcess>> process =
      PluginProcess::Start(program, sockets, limits, services.logger);
  if (!process.ok()) return process.status();
  // The constructor is private.
  std::unique_ptr<PluginInstance> instance(new PluginInstance(limits));
  instance->process_ = *std::move(process);
  absl::StatusOr<std::unique_ptr<HostServices>> listener =
      HostServices::Start(Concat({instance->process_->folder(), "/host"}),
                          instance->process_->trust(), std::move(services));
  if (!listener.ok()) return listener.status();
  instance->services_ = *std::move(listener);
  if (const absl::Status status = instance->SetUp(entry); !status.ok()) {
    return absl::UnavailableError(Concat(
        {"the plugin \"", program.name, "\" could not be mounted: ", ToStd(status.message())}));
  }
  return instance;
}

absl::Status PluginInstance::SetUp(const mounts::MountEntry& entry) {
  backend_ = pb::Backend::NewStub(process_->channel());
  multiplex_id_ = RandomBase62(kMultiplexIdLength);
  if (!process_->Announce(kListenerId, Concat({process_->folder(), "/host"})))
    return absl::UnavailableError("it closed the broker's stream");
  pb::SetupArgs args;
  args.set_broker_id(kListenerId);
  args.set_backenduuid(entry.backend_uuid);
  auto& config = *args.mutable_config();
  for (const auto& [name, value] : entry.options) config[name] = value;
  config["plugin_name"] = entry.type;
  config["plugin_type"] = "secret";
  config["plugin_version"] = entry.plugin_version;
  grpc::ClientContext context;
  Address(context);
  Limit(context);
  pb::SetupReply reply;
  const grpc::Status status = backend_->Setup(&context, args, &reply);
  if (absl::Status failed = Failed("Setup", status, reply.err()); !failed.ok()) return failed;
  set_up_ = true;
  if (absl::Status failed = CheckType(); !failed.ok()) return failed;
  AskVersion();
  services_->AllowWrites();
  return Initialize();
}

absl::Status PluginInstance::CheckType() {
  grpc::ClientContext context;
  Address(context);
  Limit(context);
  pb::TypeReply reply;
  const grpc::Status status = backend_->Type(&context, pb::Empty(), &reply);
  if (absl::Status failed = Failed("Type", status, ""); !failed.ok()) return failed;
  if (reply.type() != kSecretsPlugin) return absl::UnavailableError("it is no secrets plugin");
  return absl::OkStatus();
}

// A plugin need not have one.
void PluginInstance::AskVersion() {
  grpc::ClientContext context;
  Address(context);
  Limit(context);
  logical::VersionReply reply;
  if (logical::PluginVersion::NewStub(process_->channel())
          ->Version(&context, logical::Empty(), &reply)
          .ok())
    version_ = reply.plugin_version();
}

absl::Status PluginInstance::Initialize() {
  grpc::ClientContext context;
  Address(context);
  Limit(context);
  pb::InitializeReply reply;
  const grpc::Status status = backend_->Initialize(&context, pb::InitializeArgs(), &reply);
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) return absl::OkStatus();
  const bool refused = status.ok() && IsError(reply.err());
  return Failed("Initialize", status, refused ? FromProto(reply.err()).message : "");
}

// Every call of a start may take as long as the start itself.
void PluginInstance::Limit(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(limits_.plugin_start_timeout));
}

void PluginInstance::Address(grpc::ClientContext& context) const {
  context.AddMetadata(wire::kMultiplexIdMetadata, multiplex_id_);
}

PluginInstance::~PluginInstance() {
  if (set_up_ && process_->running()) {
    grpc::ClientContext context;
    Address(context);
    context.set_deadline(std::chrono::system_clock::now() +
                         absl::ToChronoMilliseconds(limits_.plugin_stop_timeout));
    pb::Empty reply;
    (void)backend_->Cleanup(&context, pb::Empty(), &reply);
  }
}

}  // namespace belfry::plugin_host
