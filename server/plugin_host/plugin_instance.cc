#include "server/plugin_host/plugin_instance.h"

#include <cstdint>
#include <future>
#include <map>
#include <utility>

#include "base/ids.h"
#include "base/text.h"
#include "proto/vault/backend.grpc.pb.h"
#include "proto/vault/version.grpc.pb.h"
#include "sdk/wire/deadline.h"
#include "sdk/wire/handshake.h"
#include "server/plugin_host/host_services.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/plugin_log.h"
#include "server/plugin_host/reply_conversion.h"

namespace belfry::plugin_host {
namespace {

constexpr std::size_t kMultiplexIdLength = 10;
constexpr int kSecretsPlugin = 1;
constexpr std::size_t kMaxVersionBytes = 160;

absl::Status Failed(std::string_view call, const grpc::Status& status, std::string_view error) {
  if (status.ok() && error.empty()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    return absl::UnavailableError(Concat({call, " was not answered in time"}));
  return absl::UnavailableError(Concat(
      {call,
       " failed: ", OneLine(status.ok() ? error : std::string_view(status.error_message()))}));
}

// What a process that died meanwhile has printed is the better half of the reason.
absl::Status CannotMount(const PluginProgram& program, const absl::Status& status,
                         PluginProcess& process) {
  const std::string quoted = process.Answers() ? "" : process.QuotedAtEnd();
  return WithReason(absl::StatusCode::kUnavailable,
                    Concat({"the plugin \"", program.entry.name, "\" could not be mounted"}),
                    Concat({ToStd(status.message()), quoted}));
}

class ProcessInstance final : public PluginInstance {
 public:
  // Announces to the process where the host listens for this mount.
  static absl::StatusOr<std::unique_ptr<ProcessInstance>> Connect(
      std::shared_ptr<PluginProcess> process, const std::string& mount_path,
      MountServices services);
  ~ProcessInstance() override;

  absl::Status SetUp(const std::string& backend_uuid,
                     const std::map<std::string, std::string>& config);
  absl::Status Initialize();

  const std::shared_ptr<grpc::Channel>& channel() const override { return process_->channel(); }
  void Address(grpc::ClientContext& context) const override;
  void NoteAnswer() override { process_->NoteAnswer(); }
  const std::string& version() const override { return version_; }
  const std::string& sha256() const override { return process_->sha256(); }
  const std::shared_ptr<const mounts::SpecialPaths>& special_paths() const override {
    return special_paths_;
  }
  Found KillIfSilent() override;
  pid_t pid() const override { return process_->pid(); }
  bool running() const override { return process_->running(); }
  // As of HostServices.
  void AllowWrites() const override { services_->AllowWrites(); }
  void ForbidWrites() const override { services_->ForbidWrites(); }

 private:
  ProcessInstance(std::shared_ptr<PluginProcess> process, std::string mount_path,
                  const Limits& limits);
  void Limit(grpc::ClientContext& context) const;
  absl::Status CheckType();
  void AskVersion();
  absl::Status AskSpecialPaths();
  void CleanUp();

  const Limits limits_;
  const std::string mount_path_;
  // Shared with the other mounts of the process.
  const std::shared_ptr<PluginProcess> process_;
  const std::uint32_t listener_id_;
  const std::string socket_;
  const std::string multiplex_id_;
  const std::unique_ptr<pb::Backend::Stub> backend_;
  std::unique_ptr<HostServices> services_;
  std::string version_;
  std::shared_ptr<const mounts::SpecialPaths> special_paths_;
  bool set_up_ = false;
};

ProcessInstance::ProcessInstance(std::shared_ptr<PluginProcess> process, std::string mount_path,
                                 const Limits& limits)
    : limits_(limits),
      mount_path_(std::move(mount_path)),
      process_(std::move(process)),
      listener_id_(process_->NextListenerId()),
      socket_(Concat({process_->folder(), "/host", std::to_string(listener_id_)})),
      multiplex_id_(RandomBase62(kMultiplexIdLength)),
      backend_(pb::Backend::NewStub(process_->channel())) {
  process_->AddMount(mount_path_);
}

absl::StatusOr<std::unique_ptr<ProcessInstance>> ProcessInstance::Connect(
    std::shared_ptr<PluginProcess> process, const std::string& mount_path, MountServices services) {
  // The constructor is private.
  std::unique_ptr<ProcessInstance> instance(
      new ProcessInstance(std::move(process), mount_path, services.limits));
  absl::StatusOr<std::unique_ptr<HostServices>> listener =
      HostServices::Start(instance->socket_, instance->process_->trust(), std::move(services));
  if (!listener.ok()) return listener.status();
  instance->services_ = *std::move(listener);
  if (!instance->process_->Announce(instance->listener_id_, instance->socket_))
    return absl::UnavailableError("it closed the broker's stream");
  return instance;
}

absl::Status ProcessInstance::SetUp(const std::string& backend_uuid,
                                    const std::map<std::string, std::string>& config) {
  pb::SetupArgs args;
  args.set_broker_id(listener_id_);
  args.set_backenduuid(backend_uuid);
  args.mutable_config()->insert(config.begin(), config.end());
  grpc::ClientContext context;
  Address(context);
  Limit(context);
  pb::SetupReply reply;
  const grpc::Status status = backend_->Setup(&context, args, &reply);
  if (absl::Status failed = Failed("Setup", status, reply.err()); !failed.ok()) return failed;
  set_up_ = true;
  if (absl::Status failed = CheckType(); !failed.ok()) return failed;
  AskVersion();
  return AskSpecialPaths();
}

absl::Status ProcessInstance::CheckType() {
  grpc::ClientContext context;
  Address(context);
  Limit(context);
  pb::TypeReply reply;
  const grpc::Status status = backend_->Type(&context, pb::Empty(), &reply);
  if (absl::Status failed = Failed("Type", status, ""); !failed.ok()) return failed;
  if (reply.type() != kSecretsPlugin) return absl::UnavailableError("not a secrets plugin");
  return absl::OkStatus();
}

// A plugin need not have one.
void ProcessInstance::AskVersion() {
  grpc::ClientContext context;
  Address(context);
  Limit(context);
  logical::VersionReply reply;
  if (logical::PluginVersion::NewStub(process_->channel())
          ->Version(&context, logical::Empty(), &reply)
          .ok())
    version_ = OneLine(reply.plugin_version(), kMaxVersionBytes);
}

// A plugin that does not know the question has none; one that cannot answer is not mounted, because
// its protected paths would be open.
absl::Status ProcessInstance::AskSpecialPaths() {
  grpc::ClientContext context;
  Address(context);
  Limit(context);
  pb::SpecialPathsReply reply;
  const grpc::Status status = backend_->SpecialPaths(&context, pb::Empty(), &reply);
  if (!status.ok() && status.error_code() != grpc::StatusCode::UNIMPLEMENTED)
    return Failed("SpecialPaths", status, "");
  const pb::Paths& paths = reply.paths();
  special_paths_ = std::make_shared<mounts::SpecialPaths>(mounts::SpecialPaths{
      .root = mounts::PathSet({paths.root().begin(), paths.root().end()}),
      .unauthenticated =
          mounts::PathSet({paths.unauthenticated().begin(), paths.unauthenticated().end()})});
  return absl::OkStatus();
}

absl::Status ProcessInstance::Initialize() {
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
void ProcessInstance::Limit(grpc::ClientContext& context) const {
  context.set_deadline(wire::DeadlineAfter(limits_.plugin_start_timeout));
}

void ProcessInstance::Address(grpc::ClientContext& context) const {
  context.AddMetadata(wire::kMultiplexIdMetadata, multiplex_id_);
}

Instance::Found ProcessInstance::KillIfSilent() {
  if (process_->KillIfSilent() == PluginProcess::Health::kAnswers) return Found::kAnswers;
  return process_->running() ? Found::kDoesNotEnd : Found::kEnded;
}

ProcessInstance::~ProcessInstance() {
  if (set_up_ && process_->running()) CleanUp();
  process_->RemoveMount(mount_path_);
}

// A process that answers neither this nor whether it lives is killed: its other mounts, and their
// requests, would each wait as long.
void ProcessInstance::CleanUp() {
  // Shared: gRPC may still be at them when the status has been got.
  struct Question {
    grpc::ClientContext context;
    pb::Empty request;
    pb::Empty reply;
    std::promise<grpc::Status> status;
  };
  const auto question = std::make_shared<Question>();
  Address(question->context);
  question->context.set_deadline(wire::DeadlineAfter(limits_.plugin_stop_timeout));
  backend_->async()->Cleanup(
      &question->context, &question->request, &question->reply,
      [question](grpc::Status status) { question->status.set_value(std::move(status)); });
  const PluginProcess::Health health = process_->Look();
  const grpc::Status cleaned = question->status.get_future().get();
  if (cleaned.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) process_->KillSilent(health);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PluginInstance>> PluginInstance::Start(
    const std::shared_ptr<PluginProcess>& process, const PluginProgram& program,
    const mounts::MountEntry& entry, MountServices services) {
  absl::StatusOr<std::unique_ptr<ProcessInstance>> instance =
      ProcessInstance::Connect(process, entry.path, std::move(services));
  if (!instance.ok()) return CannotMount(program, instance.status(), *process);
  std::map<std::string, std::string> config = entry.options;
  config["plugin_name"] = entry.type;
  config["plugin_type"] = "secret";
  config["plugin_version"] = entry.plugin_version;
  absl::Status status = (*instance)->SetUp(entry.backend_uuid, config);
  if (status.ok()) {
    (*instance)->AllowWrites();
    status = (*instance)->Initialize();
  }
  if (!status.ok()) return CannotMount(program, status, *process);
  return instance;
}

absl::StatusOr<std::string> PluginInstance::ProbeVersion(
    const std::shared_ptr<PluginProcess>& process, const PluginProgram& program,
    MountServices services) {
  absl::StatusOr<std::unique_ptr<ProcessInstance>> instance =
      ProcessInstance::Connect(process, "", std::move(services));
  if (!instance.ok()) return CannotMount(program, instance.status(), *process);
  if (const absl::Status status = (*instance)->SetUp("", {}); !status.ok())
    return CannotMount(program, status, *process);
  return (*instance)->version();
}

}  // namespace belfry::plugin_host
