#include "server/plugin_host/plugin_process.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "base/descriptor_limit.h"
#include "base/text.h"
#include "proto/vault/grpc_controller.grpc.pb.h"
#include "proto/vault/health.grpc.pb.h"
#include "proto/vault/multiplexing.grpc.pb.h"
#include "sdk/wire/deadline.h"
#include "sdk/wire/handshake.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/program_file.h"

namespace belfry::plugin_host {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
// A connection that broke is the first sign that a process ends.
constexpr absl::Duration kTimeToEnd = absl::Seconds(2);
// How long a process that was killed may take to be gone.
constexpr absl::Duration kTimeToDie = absl::Seconds(5);
constexpr std::size_t kMaxSentenceBytes = 600;

// A little of the host's environment, what the catalog adds, and these variables in place of all
// others. (plugin-protocol 1.1)
std::vector<std::string> Environment(const PluginProgram& program, const std::string& socket_folder,
                                     const std::string& certificate_pem) {
  const std::vector<std::pair<std::string, std::string>> ours = {
      {wire::kCookieName, wire::kCookieValue},
      {"PLUGIN_MIN_PORT", "10000"},
      {"PLUGIN_MAX_PORT", "25000"},
      {wire::kProtocolVersionsVariable, std::to_string(wire::kProtocolVersion)},
      {wire::kClientCertificateVariable, certificate_pem},
      {wire::kSocketDirectoryVariable, socket_folder},
      {"VAULT_VERSION", program.vault_version},
      {"VAULT_PLUGIN_METADATA_MODE", "false"},
      {"VAULT_PLUGIN_AUTOMTLS_ENABLED", "true"},
  };
  std::vector<std::string> environment = InheritedEnvironment();
  const auto set = [&environment](const std::string& name, const std::string& value) {
    const std::string start = name + "=";
    std::erase_if(environment,
                  [&start](const std::string& entry) { return entry.starts_with(start); });
    environment.push_back(start + value);
  };
  for (const std::string& variable : program.entry.env) {
    const std::size_t end = variable.find('=');
    set(variable.substr(0, end), variable.substr(end + 1));
  }
  for (const auto& [name, value] : ours) set(name, value);
  return environment;
}

absl::Status Check(const wire::Handshake& handshake) {
  if (handshake.protocol_version != wire::kProtocolVersion) {
    return absl::UnavailableError(Concat(
        {"it answered with the protocol version ", std::to_string(handshake.protocol_version),
         ", but only version ", std::to_string(wire::kProtocolVersion),
         " was offered; rebuild it with a current SDK"}));
  }
  if (handshake.certificate_pem.empty()) {
    return absl::UnavailableError(
        "its handshake line has no certificate, although mutual TLS was asked for; rebuild it with "
        "a current SDK");
  }
  return absl::OkStatus();
}

// Whoever ends a server by its process group or its control group ends the plugins at the same time
// and in the same way, and they may be gone before the host knows that it is to end.
bool WasAskedToEnd(const ExitStatus& status) {
  return status.signal == SIGTERM || status.signal == SIGINT || status.signal == SIGHUP;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PluginProcess>> PluginProcess::Start(
    const PluginProgram& program, SocketDirectory* sockets, RunningProcesses* all,
    const Limits& limits, Observer observer, absl::Time now, const Logger& logger) {
  absl::StatusOr<std::string> folder = sockets->MakeFolder();
  if (!folder.ok()) return folder.status();
  // The constructor is private.
  std::unique_ptr<PluginProcess> plugin(new PluginProcess(
      *std::move(folder), limits, std::move(observer), now, logger.Named(program.entry.name)));
  if (const absl::Status status = plugin->Launch(program, sockets, all); !status.ok()) {
    return WithReason(
        absl::StatusCode::kUnavailable,
        Concat({"the plugin \"", program.entry.name, "\" could not be started"}),
        Concat({OneLine(ToStd(status.message()), kMaxSentenceBytes), plugin->Quoted()}));
  }
  plugin->ready_ = true;
  plugin->registration_->NoteReady();
  return plugin;
}

PluginProcess::PluginProcess(std::string folder, const Limits& limits, Observer observer,
                             absl::Time now, const Logger& logger)
    : folder_(std::move(folder)),
      limits_(limits),
      observer_(std::move(observer)),
      started_(now),
      logger_(logger),
      log_budget_(limits.max_plugin_log_bytes_per_second, limits.max_plugin_log_burst_bytes),
      reader_(logger, limits.max_plugin_log_line_bytes, &log_budget_,
              [this](const ExitStatus& status) { OnExit(status); }) {}

std::string PluginProcess::Quoted() {
  const std::string lines = reader_.LastErrors();
  return lines.empty() ? "" : Concat({"; its standard error ends with: ", lines});
}

std::string PluginProcess::QuotedAtEnd() {
  reader_.LastErrorsAtEnd(kTimeToEnd);
  return Quoted();
}

// Only what has ended by itself has crashed. Why the host has killed one, Kill has said.
void PluginProcess::OnExit(const ExitStatus& status) {
  // A start that fails says so itself.
  if (!ready_) return;
  const std::string pid = std::to_string(pid_);
  const std::string end = "it " + Describe(status);
  if (stopping_ || status.by_kill) {
    logger_.Info("plugin stopped", {{"pid", pid}, {"end", end}});
  } else if (WasAskedToEnd(status)) {
    logger_.Info("the plugin was told to end by a signal", {{"pid", pid}, {"end", end}});
  } else {
    logger_.Error("the plugin has crashed",
                  {{"pid", pid}, {"end", end}, {"stderr", reader_.LastErrors()}});
    observer_.on_crash(status);
  }
}

void PluginProcess::Kill(std::string_view reason) {
  if (!process_->Kill()) return;
  logger_.Write(ready_ ? LogLevel::kWarn : LogLevel::kInfo, "plugin killed",
                {{"pid", std::to_string(pid_)}, {"reason", std::string(reason)}});
}

void PluginProcess::NoteAnswer() {
  if (!answered_.load(std::memory_order_relaxed) && !answered_.exchange(true))
    observer_.on_first_answer();
}

void PluginProcess::AddMount(const std::string& path) {
  MutexLock lock(&mounts_mutex_);
  mounts_.insert(path);
}

void PluginProcess::RemoveMount(const std::string& path) {
  MutexLock lock(&mounts_mutex_);
  mounts_.erase(mounts_.find(path));
}

mounts::PluginProcesses::Process PluginProcess::Description() const {
  MutexLock lock(&mounts_mutex_);
  return {.pid = pid_,
          .started = started_,
          .mounts = std::vector<std::string>(mounts_.begin(), mounts_.end())};
}

// What is checked here is what will run: whoever can replace the program must not be able to act as
// the plugin.
absl::Status PluginProcess::CheckSum(const PluginProgram& program, const Descriptor& file) {
  absl::StatusOr<std::string> sha256 = Sha256Of(file);
  if (!sha256.ok()) return sha256.status();
  sha256_ = *std::move(sha256);
  if (sha256_ == program.entry.sha256) return absl::OkStatus();
  return absl::UnavailableError(Concat({"checksums did not match: the catalog has the sha256 ",
                                        program.entry.sha256, ", but the program's is ", sha256_,
                                        "; if it was replaced on purpose, register it again"}));
}

// The guard executes the open file by the name of a link to it, so that the process is called what
// the program is called.
absl::StatusOr<std::vector<std::string>> PluginProcess::CommandLine(
    const PluginProgram& program, const SocketDirectory& sockets) const {
  const std::string link =
      Concat({folder_, "/program/", std::filesystem::path(program.path).filename().string()});
  std::error_code error;
  std::filesystem::create_directory(folder_ + "/program", error);
  std::filesystem::create_symlink("/proc/self/fd/4", link, error);
  if (error) return absl::UnavailableError(Concat({"cannot make ", link, ": ", error.message()}));
  std::vector<std::string> arguments = {sockets.guard_program(), "run"};
  if (limits_.max_plugin_memory_bytes > 0)
    arguments.push_back("-memory=" + std::to_string(limits_.max_plugin_memory_bytes));
  if (limits_.max_plugin_open_files > 0)
    arguments.push_back("-files=" + std::to_string(limits_.max_plugin_open_files));
  else if (const std::size_t files = InheritedDescriptorLimit(); files > 0)
    arguments.push_back("-soft-files=" + std::to_string(files));
  arguments.push_back("-program=" + link);
  arguments.push_back(program.path);
  arguments.insert(arguments.end(), program.entry.args.begin(), program.entry.args.end());
  return arguments;
}

absl::Status PluginProcess::Launch(const PluginProgram& program, SocketDirectory* sockets,
                                   RunningProcesses* all) {
  absl::StatusOr<wire::Certificate> certificate = wire::NewCertificate();
  if (!certificate.ok()) return certificate.status();
  trust_.own = *std::move(certificate);
  const absl::StatusOr<ProgramFile> file = OpenProgram(program.path);
  if (!file.ok()) return file.status();
  for (const std::string& concern : file->concerns)
    logger_.Warn("others may replace the plugin's program", {{"concern", concern}});
  // Until the program runs: from then on the kernel refuses to have it written to.
  const absl::StatusOr<WriteBar> unchanged = WriteBar::On(file->descriptor);
  if (!unchanged.ok()) return unchanged.status();
  if (absl::Status status = CheckSum(program, file->descriptor); !status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> arguments = CommandLine(program, *sockets);
  if (!arguments.ok()) return arguments.status();
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start({.arguments = *std::move(arguments),
                      .environment = Environment(program, folder_, trust_.own.certificate_pem),
                      .descriptor_3 = sockets->guard_descriptor(),
                      .descriptor_4 = file->descriptor.get(),
                      .session = SpawnOptions::Session::kOwnGroup},
                     &reader_);
  if (!process.ok()) return process.status();
  process_ = *std::move(process);
  pid_ = process_->pid();
  registration_ = std::make_unique<RunningProcesses::Registration>(
      all, [this](std::string_view reason) { Kill(reason); });
  const absl::StatusOr<std::string> line = reader_.WaitForLine(limits_.plugin_start_timeout);
  if (!line.ok()) return line.status();
  const absl::StatusOr<wire::Handshake> handshake = wire::ParseHandshake(*line);
  if (!handshake.ok()) return handshake.status();
  if (absl::Status status = Check(*handshake); !status.ok()) return status;
  return Connect(*handshake);
}

absl::Status PluginProcess::Connect(const wire::Handshake& handshake) {
  trust_.peer_certificate_pem = handshake.certificate_pem;
  channel_ = wire::Connect(handshake.network, handshake.address, trust_);
  const grpc::Status healthy = AskHealth(kConnectTimeout);
  if (!healthy.ok() && healthy.error_code() != grpc::StatusCode::UNIMPLEMENTED) {
    return absl::UnavailableError(
        Concat({"no connection with mutual TLS to ", handshake.address,
                " came about; it must listen there with the certificate of its handshake line (",
                healthy.error_message(), ")"}));
  }
  AskMultiplexing();
  stdio_ = std::make_unique<StdioStream>(channel_, logger_, limits_.max_plugin_log_line_bytes,
                                         &log_budget_);
  broker_ = std::make_unique<BrokerStream>(channel_);
  return absl::OkStatus();
}

// A plugin that does not know the question serves one mount.
void PluginProcess::AskMultiplexing() {
  namespace multiplexing = pluginutil::multiplexing;
  grpc::ClientContext context;
  context.set_deadline(wire::DeadlineAfter(kConnectTimeout));
  multiplexing::MultiplexingSupportResponse response;
  const grpc::Status status =
      multiplexing::PluginMultiplexing::NewStub(channel_)->MultiplexingSupport(
          &context, multiplexing::MultiplexingSupportRequest(), &response);
  multiplexes_ = status.ok() && response.supported();
}

grpc::Status PluginProcess::AskHealth(absl::Duration limit) const {
  grpc::ClientContext context;
  context.set_deadline(wire::DeadlineAfter(limit));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("plugin");
  grpc::health::v1::HealthCheckResponse response;
  return grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response);
}

PluginProcess::Health PluginProcess::Look() const {
  if (!running()) return Health::kDisconnected;
  switch (AskHealth(limits_.plugin_probe_timeout).error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Health::kSilent;
    case grpc::StatusCode::UNAVAILABLE:
      return Health::kDisconnected;
    default:
      return Health::kAnswers;
  }
}

PluginProcess::Health PluginProcess::KillIfSilent() {
  MutexLock one_looks(&probing_);
  const Health health = Look();
  KillSilent(health);
  return health;
}

void PluginProcess::KillSilent(Health health) {
  switch (health) {
    case Health::kAnswers:
      return;
    case Health::kDisconnected:
      // Killed at once, its crash would be taken for what the host has done.
      if (process_->WaitForExit(kTimeToEnd)) return;
      Kill(Concat({"it has closed its connection and did not exit within ",
                   absl::FormatDuration(kTimeToEnd)}));
      break;
    case Health::kSilent:
      Kill(Concat({"it did not answer its health check within ",
                   absl::FormatDuration(limits_.plugin_probe_timeout)}));
      break;
  }
  (void)process_->WaitForExit(kTimeToDie);
}

bool PluginProcess::Announce(std::uint32_t id, const std::string& socket) {
  plugin::ConnInfo info;
  info.set_service_id(id);
  info.set_network("unix");
  info.set_address(socket);
  return broker_->Announce(info);
}

void PluginProcess::AskToStop() {
  grpc::ClientContext context;
  context.set_deadline(wire::DeadlineAfter(limits_.plugin_stop_timeout));
  plugin::Empty reply;
  // A plugin may end before it answers: the process says whether it has stopped.
  (void)plugin::GRPCController::NewStub(channel_)->Shutdown(&context, plugin::Empty(), &reply);
}

PluginProcess::~PluginProcess() {
  stopping_ = true;
  if (broker_ != nullptr && process_->running()) AskToStop();
  if (process_ != nullptr && broker_ != nullptr &&
      !process_->WaitForExit(limits_.plugin_stop_timeout)) {
    Kill(Concat({"it was asked to stop and did not exit within ",
                 absl::FormatDuration(limits_.plugin_stop_timeout)}));
  }
  if (process_ != nullptr) process_->Kill();
  broker_.reset();
  stdio_.reset();
  registration_.reset();
  process_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace belfry::plugin_host
