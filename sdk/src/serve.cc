#include "belfry/serve.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/openssl_exit.h"
#include "base/text.h"
#include "sdk/src/engine_instance.h"
#include "sdk/src/environment.h"
#include "sdk/src/exit_watchdog.h"
#include "sdk/src/plugin_log.h"
#include "sdk/src/plugin_server.h"
#include "sdk/src/socket_file.h"
#include "sdk/src/stdio_buffer.h"
#include "sdk/src/stdout_capture.h"
#include "sdk/wire/certificate.h"
#include "sdk/wire/handshake.h"
#include "sdk/wire/lock_checks.h"

namespace belfry {

namespace internal {

namespace {

// Together below the 2 s after which hosts kill. (plugin-protocol 1.7)
constexpr std::chrono::milliseconds kGrace(700);
constexpr std::chrono::milliseconds kStopLimit(1300);

constexpr std::string_view kDescribedWrongly = "the plugin is described wrongly: ";

void Print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

int ExplainToHuman(const Plugin& plugin) {
  if (const absl::Status mistakes = CheckDefinition(plugin); !mistakes.ok())
    Print(Concat({kDescribedWrongly, ToStd(mistakes.message()), "\n"}));
  Print(Concat({"This is a plugin, \"", plugin.name,
                "\": a secrets engine that Belfry or Vault starts by itself.\nIt does nothing "
                "when run by hand. Put it into the host's plugin directory, register it, and "
                "enable it with `belfry secrets enable ",
                plugin.name, "`.\n"}));
  return EXIT_FAILURE;
}

int Fail(const PluginLog& log, const absl::Status& status) {
  log.Write(LogLevel::kError, "the plugin could not start", {{"error", ToStd(status.message())}});
  return EXIT_FAILURE;
}

// Our side of AutoMTLS; nullopt when the host wants none. (plugin-protocol 2)
absl::StatusOr<std::optional<wire::Trust>> MakeTrust(const Environment& environment) {
  if (environment.client_certificate_pem.empty()) return std::nullopt;
  absl::StatusOr<wire::Certificate> own = wire::NewCertificate();
  if (!own.ok()) return own.status();
  return wire::Trust{*std::move(own), environment.client_certificate_pem};
}

// 3 and 4 are the same; 5 has AutoMTLS and several mounts in a process. (plugin-protocol 4.1)
int NegotiateVersion(const Environment& environment, const PluginLog& log) {
  for (const std::string_view item : wire::MalformedVersions(environment.protocol_versions)) {
    log.Write(LogLevel::kWarn, "the host offers a protocol version that is no number",
              {{"version", item}});
  }
  return wire::NegotiateVersion(environment.protocol_versions, {3, 4, wire::kProtocolVersion});
}

std::string HandshakeLine(const Environment& environment, int version,
                          const std::string& socket_path, const std::optional<wire::Trust>& trust) {
  wire::Handshake handshake;
  handshake.protocol_version = version;
  handshake.network = "unix";
  handshake.address = socket_path;
  // docs/decisions/0003-one-connection-for-all.md
  if (environment.multiplexing_wanted) handshake.multiplexed = false;
  const std::string certificate =
      trust ? wire::EncodeHandshakeCertificate(trust->own.certificate_der) : "";
  return wire::FormatHandshake(handshake, certificate) + "\n";
}

void StopInTime(PluginServer& server, const SocketFile& socket, const PluginLog& log) {
  const ExitWatchdog watchdog(kStopLimit, [path = socket.path(), &log] {
    log.Write(LogLevel::kWarn,
              "a handler or a connection has not ended in time; the plugin stops without it");
    ::unlink(path.c_str());
  });
  server.Stop(kGrace);
}

int Run(const Plugin& plugin, const Environment& environment, const PluginLog& log) {
  const int version = NegotiateVersion(environment, log);
  if (environment.wrapped_key_offered && environment.client_certificate_pem.empty()) {
    return Fail(log, absl::UnimplementedError(
                         "the host secures the connection with a wrapped key (VAULT_UNWRAP_TOKEN), "
                         "which this SDK does not unwrap; use a host that speaks protocol version "
                         "5 with AutoMTLS, such as Vault 1.12 or newer"));
  }
  const absl::StatusOr<std::optional<wire::Trust>> trust = MakeTrust(environment);
  if (!trust.ok()) return Fail(log, trust.status());
  const auto socket = SocketFile::In(environment.socket_directory);
  if (!socket.ok()) return Fail(log, socket.status());
  StdioBuffer stdio;
  const auto server =
      PluginServer::Start({.plugin = plugin,
                           .socket_path = (*socket)->path(),
                           .trust = *trust,
                           .metadata_mode = environment.metadata_mode,
                           .mounts = version < wire::kProtocolVersion ? MountsPerProcess::kOne
                                                                      : MountsPerProcess::kMany,
                           .stdio = &stdio,
                           .log = &log});
  if (!server.ok()) return Fail(log, server.status());
  if (!environment.socket_group.empty()) {
    const absl::Status status = (*socket)->GiveToGroup(environment.socket_group);
    if (!status.ok()) return Fail(log, status);
  }
  const auto capture =
      StdoutCapture::Start(&stdio, [server = server->get()] { server->HostMayHaveLeft(); });
  if (!capture.ok()) return Fail(log, capture.status());
  // Only now: `define` may print.
  if (const absl::Status mistakes = CheckDefinition(plugin); !mistakes.ok()) {
    return Fail(log,
                absl::InvalidArgumentError(Concat({kDescribedWrongly, ToStd(mistakes.message())})));
  }
  if (!(*capture)->WriteToHost(HandshakeLine(environment, version, (*socket)->path(), *trust))) {
    return Fail(log, absl::UnavailableError("the host has closed the plugin's standard output"));
  }
  (*server)->WaitForStop();
  StopInTime(**server, **socket, log);
  return EXIT_SUCCESS;
}

// A terminal's Ctrl-C reaches plugins too, but it is the host that stops them. A host that has gone
// must not end us in the middle of a log line.
void SetSignals() {
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace
}  // namespace internal

int Serve(const Plugin& plugin, int argc, char** argv) {
  const internal::Environment environment =
      internal::ReadEnvironment([](const char* name) { return std::getenv(name); });
  if (!environment.started_by_host) return internal::ExplainToHuman(plugin);
  if (const std::optional<std::string> usage = internal::CheckArguments(argc, argv)) {
    internal::Print(*usage);
    return EXIT_FAILURE;
  }
  KeepOpenSslAtExit();
  internal::SetSignals();
  wire::StopLockChecks();
  const internal::PluginLog log(STDERR_FILENO);
  return internal::Run(plugin, environment, log);
}

}  // namespace belfry
