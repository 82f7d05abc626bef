#include "cli/server_command.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <filesystem>
#include <memory>
#include <ostream>
#include <system_error>
#include <utility>

#include "cli/command.h"
#include "cli/dev_certificates.h"
#include "cli/pid_file.h"
#include "cli/server_flags.h"
#include "cli/service_manager.h"
#include "cli/text.h"
#include "server/host.h"

namespace belfry::cli {
namespace {

constexpr int kServerError = 1;

// Where clients reach the listener with this index.
std::string Authority(const HostConfig& config, const Host& host, std::size_t listener = 0) {
  const std::string& address = config.listeners[listener].address;
  const std::uint16_t port = host.Port(listener);
  const bool ipv6 = address.find(':') != std::string::npos;
  return ipv6 ? Concat("[", address, "]:", port) : Concat(address, ":", port);
}

std::string Url(const HostConfig& config, const Host& host) {
  return Concat(config.listeners[0].tls ? "https://" : "http://", Authority(config, host));
}

std::string StorageText(const StorageConfig& storage) {
  const std::string_view name = NameOf(storage.kind);
  if (storage.path.empty()) return std::string(name);
  // Started elsewhere, a relative path is another directory.
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(storage.path, error);
  return Concat(name, " (path: \"", error ? storage.path : absolute.native(), "\")");
}

// The block that names every setting, its names aligned on the colon.
void PrintConfiguration(const HostConfig& config, const Host& host, std::ostream& out) {
  std::string plugins;
  for (const std::string& directory : config.plugin_directories)
    plugins += (plugins.empty() ? "" : ", ") + directory;
  std::vector<std::pair<std::string, std::string>> lines = {
      {"Api Address", config.api_address.empty() ? Url(config, host) : config.api_address}};
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    lines.emplace_back(Concat("Listener ", i + 1),
                       Concat("tcp (addr: \"", Authority(config, host, i), "\", tls: \"",
                              config.listeners[i].tls ? "enabled" : "disabled", "\")"));
  }
  const std::pair<std::string, std::string> rest[] = {
      {"Log File", config.log_file.empty() ? "none" : config.log_file},
      {"Log Level", config.log_level},
      {"Plugin Directories", plugins.empty() ? "none" : plugins},
      {"Storage", StorageText(config.storage)},
      {"Version", Concat("Belfry v", BELFRY_VERSION)},
  };
  lines.insert(lines.end(), std::begin(rest), std::end(rest));
  std::size_t width = 0;
  for (const auto& [name, value] : lines) width = std::max(width, name.size());
  out << "==> Belfry server configuration:\n\n";
  for (const auto& [name, value] : lines)
    out << std::string(width - name.size() + 4, ' ') << name << ": " << value << "\n";
}

void PrintExperiments(const std::vector<std::string>& experiments, std::ostream& out) {
  if (experiments.empty()) return;
  out << "\nThe experiment " << experiments.front() << " changes nothing: events are always on.\n";
}

// As a word of a shell's command.
std::string ShellQuoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

void PrintStarted(const HostConfig& config, std::ostream& out) {
  out << "\n==> Belfry server started! Log data will "
      << (config.log_file.empty() ? "stream in below:" : "go to the log file.") << "\n"
      << std::endl;
}

// `certificates` are null without TLS.
void PrintDevNotes(const HostConfig& config, const Host& host, const DevCertificates* certificates,
                   std::ostream& out) {
  out << "WARNING! dev mode is enabled! Everything is kept in memory and lost at the end; the "
         "server is unsealed"
      << (certificates == nullptr ? ", speaks\nplain HTTP and has" : " and\nhas")
      << " one token that may do everything.\n"
         "\nTo use it from another terminal:\n"
         "\n    $ export VAULT_ADDR='"
      << Url(config, host)
      << (certificates == nullptr
              ? ""
              : Concat("'\n    $ export VAULT_CACERT='", certificates->authority_file()))
      << "'\n    $ export VAULT_TOKEN=" << ShellQuoted(config.dev->root_token)
      << "\n"
         "\nThe unseal key and the root token are shown here and nowhere else; neither is stored "
         "on disk.\n"
         "\nUnseal Key: "
      << host.DevUnsealKey() << "\nRoot Token: " << config.dev->root_token
      << "\n\nDevelopment mode should NOT be used in production installations!\n"
      << std::endl;
}

std::string_view NameOf(int signal) {
  return signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGHUP";
}

// Waits for a signal that ends the server. At SIGHUP it reloads what it is configured by; in dev
// mode that is nothing.
void AwaitEnd(Host& host, const ServerFlags& flags, bool dev, const ServiceManager& manager,
              boost::asio::io_context& context, boost::asio::signal_set& signals) {
  for (;;) {
    int signal = SIGHUP;
    signals.async_wait([&signal](boost::system::error_code, int number) { signal = number; });
    context.restart();
    context.run();
    if (signal != SIGHUP) return host.LogSignal("stopping", NameOf(signal));
    if (dev) {
      host.LogSignal("there is nothing to reload", NameOf(signal));
    } else {
      manager.Reloading();
      host.Reload(flags.Config());
      manager.Ready();
    }
  }
}

}  // namespace

int RunServer(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "server -config=FILE [flags]",
       .about =
           R"(Starts a server. It logs to standard error, or to the file that its configuration names, and
runs until it is sent SIGTERM or SIGINT; a second one ends it at once. At SIGHUP it opens the
log file again, reads the certificates again, and takes over the log level and the plugins that its
configuration declares.

In dev mode everything is kept in memory, and lost at the end; secret/ is mounted as kv
version 2. Flags win over environment variables, and both over the configuration.)",
       .examples = {"belfry server -config=/etc/belfry.d", "belfry server -dev",
                    "belfry server -dev -dev-root-token-id=root "
                    "-dev-listen-address=127.0.0.1:0"}});
  ServerFlags wanted(&flags, &terminal);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<HostConfig> config = wanted.Config();
  if (!config.ok()) return Fail(terminal, config.status(), kServerError);
  const auto experiments = wanted.Experiments(*config);
  if (!experiments.ok()) return Fail(terminal, experiments.status(), kServerError);
  const auto certificates = wanted.MakeCertificates(*config);
  if (!certificates.ok()) return Fail(terminal, certificates.status(), kServerError);
  if (*certificates != nullptr) config->listeners[0].tls = (*certificates)->tls();

  const ServiceManager manager;
  // A file that may not grow is as bad as a full disk, and no worse.
  std::signal(SIGXFSZ, SIG_IGN);
  // From here on a signal is remembered, also one that comes while the server starts.
  boost::asio::io_context context;
  boost::asio::signal_set signals(context, SIGINT, SIGTERM, SIGHUP);
  PidFile pid_file;
  absl::StatusOr<std::unique_ptr<Host>> host = Host::Start(*config);
  const absl::Status started = host.ok() ? pid_file.Write(config->pid_file) : host.status();
  if (!started.ok()) {
    return Fail(terminal, Concat("Error starting the server: ", std::string(started.message())),
                kServerError);
  }
  PrintConfiguration(*config, **host, *terminal.out);
  PrintExperiments(*experiments, *terminal.out);
  PrintStarted(*config, *terminal.out);
  if (config->dev) PrintDevNotes(*config, **host, certificates->get(), *terminal.out);
  // Who cannot read the root token cannot use the server.
  if (!terminal.out->good()) return kServerError;
  manager.Ready();
  AwaitEnd(**host, wanted, config->dev.has_value(), manager, context, signals);
  manager.Stopping();

  // A second one ends a shutdown that hangs.
  signals.remove(SIGINT);
  signals.remove(SIGTERM);
  *terminal.out << "==> Belfry shutdown triggered" << std::endl;
  host->reset();
  terminal.out->clear();  // Whoever read the beginning need not have stayed.
  return kSuccess;
}

}  // namespace belfry::cli
