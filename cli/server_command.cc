#include "cli/server_command.h"

#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <ostream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "cli/command.h"
#include "cli/connection.h"
#include "cli/text.h"
#include "server/host.h"

namespace belfry::cli {
namespace {

constexpr int kServerError = 1;
constexpr std::string_view kDefaultListenAddress = "127.0.0.1:8200";
constexpr std::string_view kEvents = "events.alpha1";

struct ServerFlags {
  bool dev = false;
  bool no_store_token = false;
  std::string root_token;
  std::string listen_address;
  std::string plugin_directory;
  std::string periodic_interval = "1m";
  std::vector<std::string> experiments;
  std::string log_level;

  void AddTo(Flags* flags) {
    flags->Add("dev", "Keep everything in memory, with one root token. The only mode so far.",
               &dev);
    flags->Add("dev-root-token-id", "The root token. Default: a random one.", &root_token);
    flags->Add("dev-listen-address",
               "Where to listen. Default: 127.0.0.1:8200; port 0 takes any free one.",
               &listen_address);
    flags->Add("dev-plugin-dir",
               "A folder of plugins, looked in before the one beside this program.",
               &plugin_directory);
    flags->Add("dev-periodic-interval",
               "How often plugins do what they have planned to do again and again. Default: 1m.",
               &periodic_interval);
    flags->Add("experiment",
               "events.alpha1, as Vault 1.15 needs it for events; may be repeated. Here it changes "
               "nothing: events are always on.",
               &experiments);
    flags->Add("dev-no-store-token",
               "Accepted and without effect: ~/.vault-token is never written.", &no_store_token);
    flags->Add("log-level", "trace, debug, info, warn or error, in any case. Default: info.",
               &log_level);
    flags->AddEnvironment("BELFRY_DEV_ROOT_TOKEN_ID, VAULT_DEV_ROOT_TOKEN_ID",
                          "The root token, if -dev-root-token-id does not give it.");
    flags->AddEnvironment("BELFRY_DEV_LISTEN_ADDRESS, VAULT_DEV_LISTEN_ADDRESS",
                          "Where to listen, if -dev-listen-address does not say it.");
    flags->AddEnvironment("BELFRY_EXPERIMENTS, VAULT_EXPERIMENTS",
                          "As -experiment, separated by commas.");
    flags->AddEnvironment("BELFRY_LOG_LEVEL, VAULT_LOG_LEVEL",
                          "What to log, if -log-level does not say it.");
  }
};

// What was asked for by flag, else by the environment, and which of them.
struct Wanted {
  std::string source;
  std::string value;
};

Wanted FlagOrSetting(const Terminal& terminal, std::string_view flag, const std::string& given,
                     std::string_view setting) {
  if (!given.empty()) return {std::string(flag), given};
  EnvironmentSetting found = FindSetting(terminal, setting);
  return {std::move(found.variable), std::move(found.value)};
}

// The operating system's random bytes; empty when it has none to give.
std::string RandomBytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1)
    return "";
  return bytes;
}

std::string NewRootToken() {
  return Concat("hvs.", absl::WebSafeBase64Escape(RandomBytes(24)));
}

// "host:port" or "[::1]:port".
absl::Status SetListenAddress(const Wanted& wanted, HostConfig* config) {
  const std::string text = wanted.value.empty() ? std::string(kDefaultListenAddress) : wanted.value;
  const auto refused = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        Concat("cannot listen on \"", text, "\" (", wanted.source, "): ", why));
  };
  const std::size_t colon = text.rfind(':');
  const char* const end = text.data() + text.size();
  const char* const digits = colon == std::string::npos ? end : text.data() + colon + 1;
  const auto [stop, error] = std::from_chars(digits, end, config->listener.port);
  if (error == std::errc::result_out_of_range && stop == end)
    return refused("the port must be a number from 0 to 65535");
  if (error != std::errc() || stop != end)
    return refused("it must be ADDRESS:PORT, for example 127.0.0.1:8200");
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) {
    return refused(Concat("it names no address; write 127.0.0.1:", config->listener.port,
                          " for this machine alone, or 0.0.0.0:", config->listener.port,
                          " for whoever can reach it"));
  }
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code no_address;
  boost::asio::ip::make_address(host, no_address);
  if (no_address) return refused("what is before the port must be an IP address or localhost");
  config->listener.address = std::move(host);
  return absl::OkStatus();
}

// The root token travels in a header: clients can send no control character there, intermediaries
// and servers take the spaces around a value away, and what lies beyond ASCII means nothing.
absl::Status SetRootToken(const Wanted& wanted, HostConfig* config) {
  const std::string token = wanted.value.empty() ? NewRootToken() : wanted.value;
  if (!std::all_of(token.begin(), token.end(), absl::ascii_isgraph)) {
    return absl::InvalidArgumentError(
        Concat("the root token (", wanted.source,
               ") cannot be sent by clients: it must be of visible ASCII characters, no spaces"));
  }
  config->dev = DevConfig{.root_token = token};
  return absl::OkStatus();
}

absl::Status SetLogLevel(const Wanted& wanted, HostConfig* config) {
  if (wanted.value.empty()) return absl::OkStatus();
  const std::string level = absl::AsciiStrToLower(wanted.value);
  const std::vector<std::string> levels = {"trace", "debug", "info", "warn", "error"};
  if (std::find(levels.begin(), levels.end(), level) == levels.end()) {
    return absl::InvalidArgumentError(Concat(
        wanted.source, " must be trace, debug, info, warn or error: \"", wanted.value, "\""));
  }
  config->log_level = level;
  return absl::OkStatus();
}

absl::Status CheckPluginDirectory(const std::string& directory) {
  std::error_code error;
  if (directory.empty() || std::filesystem::is_directory(directory, error)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("-dev-plugin-dir: ", directory,
             error ? Concat(": ", error.message()) : std::string(" is no folder")));
}

// What was asked for by flags and by the environment.
absl::StatusOr<std::vector<std::string>> Experiments(const Terminal& terminal,
                                                     std::vector<std::string> names) {
  const std::string listed = Setting(terminal, "EXPERIMENTS");
  for (std::size_t begin = 0; begin < listed.size();) {
    const std::size_t comma = std::min(listed.find(',', begin), listed.size());
    names.emplace_back(Trimmed(std::string_view(listed).substr(begin, comma - begin)));
    begin = comma + 1;
  }
  for (const std::string& name : names) {
    if (name != kEvents) {
      return absl::InvalidArgumentError(
          Concat("there is no experiment \"", name, "\"; there is ", kEvents));
    }
  }
  return names;
}

std::vector<std::string> PluginDirectories(const std::string& asked_for) {
  std::vector<std::string> directories;
  if (!asked_for.empty()) directories.push_back(asked_for);
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path beside = program.parent_path() / "plugins";
  if (!error && std::filesystem::is_directory(beside, error))
    directories.push_back(beside.string());
  return directories;
}

absl::StatusOr<HostConfig> ConfigFrom(const Terminal& terminal, const ServerFlags& flags) {
  if (!flags.dev)
    return absl::InvalidArgumentError("this version runs in dev mode only: belfry server -dev");
  HostConfig config;
  const Wanted address =
      FlagOrSetting(terminal, "-dev-listen-address", flags.listen_address, "DEV_LISTEN_ADDRESS");
  const Wanted token =
      FlagOrSetting(terminal, "-dev-root-token-id", flags.root_token, "DEV_ROOT_TOKEN_ID");
  if (absl::Status status = SetListenAddress(address, &config); !status.ok()) return status;
  if (absl::Status status = SetRootToken(token, &config); !status.ok()) return status;
  if (absl::Status status = CheckPluginDirectory(flags.plugin_directory); !status.ok())
    return status;
  const Wanted level = FlagOrSetting(terminal, "-log-level", flags.log_level, "LOG_LEVEL");
  if (absl::Status status = SetLogLevel(level, &config); !status.ok()) return status;
  if (!absl::ParseDuration(flags.periodic_interval, &config.periodic_interval) ||
      config.periodic_interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        Concat("-dev-periodic-interval must be a duration above zero, for example 1m or 10s: \"",
               flags.periodic_interval, "\""));
  }
  config.version = BELFRY_VERSION;
  config.plugin_directories = PluginDirectories(flags.plugin_directory);
  return config;
}

std::string Authority(const HostConfig& config, std::uint16_t port) {
  const bool ipv6 = config.listener.address.find(':') != std::string::npos;
  return ipv6 ? Concat("[", config.listener.address, "]:", port)
              : Concat(config.listener.address, ":", port);
}

// The block that names every setting, its names aligned on the colon.
void PrintConfiguration(const HostConfig& config, std::uint16_t port, std::ostream& out) {
  std::string plugins;
  for (const std::string& directory : config.plugin_directories)
    plugins += (plugins.empty() ? "" : ", ") + directory;
  const std::pair<std::string_view, std::string> lines[] = {
      {"Api Address", Concat("http://", Authority(config, port))},
      {"Listener 1", Concat("tcp (addr: \"", Authority(config, port), "\", tls: \"disabled\")")},
      {"Log Level", config.log_level},
      {"Plugin Directories", plugins.empty() ? "none" : plugins},
      {"Storage", "inmem"},
      {"Version", Concat("Belfry v", BELFRY_VERSION)},
  };
  std::size_t width = 0;
  for (const auto& [name, value] : lines) width = std::max(width, name.size());
  out << "==> Belfry server configuration:\n\n";
  for (const auto& [name, value] : lines)
    out << std::string(width - name.size() + 4, ' ') << name << ": " << value << "\n";
}

void PrintExperiments(const std::vector<std::string>& experiments, std::ostream& out) {
  if (experiments.empty()) return;
  out << "\nThe experiment " << kEvents << " changes nothing: events are always on.\n";
}

// As a word of a shell's command.
std::string ShellQuoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

void PrintDevNotes(const HostConfig& config, const Host& host, std::ostream& out) {
  out << "\n==> Belfry server started! Log data will stream in below:\n"
         "\nWARNING! dev mode is enabled! Everything is kept in memory and lost at the end; the "
         "server is unsealed, speaks\n"
         "plain HTTP and has one token that may do everything.\n"
         "\nTo use it from another terminal:\n"
         "\n    $ export VAULT_ADDR='http://"
      << Authority(config, host.Port())
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

// Waits for a signal that ends the server. SIGHUP, at which daemons reload what they are configured
// by, is taken and changes nothing yet.
void AwaitEnd(Host& host, boost::asio::io_context& context, boost::asio::signal_set& signals) {
  int signal = SIGHUP;
  while (signal == SIGHUP) {
    signals.async_wait([&signal](boost::system::error_code, int number) { signal = number; });
    context.restart();
    context.run();
    host.LogSignal(signal == SIGHUP ? "there is nothing to reload" : "stopping", NameOf(signal));
  }
}

}  // namespace

int RunServer(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "server -dev [flags]",
       .about =
           R"(Starts a server. It logs to standard error and runs until it is sent SIGTERM or SIGINT;
a second one ends it at once.

In dev mode everything is kept in memory, and lost at the end; secret/ is mounted as kv
version 2. Flags win over environment variables.)",
       .examples = {"belfry server -dev",
                    "belfry server -dev -dev-root-token-id=root "
                    "-dev-listen-address=127.0.0.1:0"}});
  ServerFlags wanted;
  wanted.AddTo(&flags);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<HostConfig> config = ConfigFrom(terminal, wanted);
  if (!config.ok()) return Fail(terminal, config.status(), kServerError);
  const auto experiments = Experiments(terminal, wanted.experiments);
  if (!experiments.ok()) return Fail(terminal, experiments.status(), kServerError);

  // From here on a signal is remembered, also one that comes while the server starts.
  boost::asio::io_context context;
  boost::asio::signal_set signals(context, SIGINT, SIGTERM, SIGHUP);
  absl::StatusOr<std::unique_ptr<Host>> host = Host::Start(*config);
  if (!host.ok()) {
    return Fail(terminal,
                Concat("Error starting the server: ", std::string(host.status().message())),
                kServerError);
  }
  PrintConfiguration(*config, (*host)->Port(), *terminal.out);
  PrintExperiments(*experiments, *terminal.out);
  PrintDevNotes(*config, **host, *terminal.out);
  // Who cannot read the root token cannot use the server.
  if (!terminal.out->good()) return kServerError;
  AwaitEnd(**host, context, signals);

  // A second one ends a shutdown that hangs.
  signals.remove(SIGINT);
  signals.remove(SIGTERM);
  *terminal.out << "==> Belfry shutdown triggered" << std::endl;
  host->reset();
  terminal.out->clear();  // Whoever read the beginning need not have stayed.
  return kSuccess;
}

}  // namespace belfry::cli
