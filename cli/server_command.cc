#include "cli/server_command.h"

#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <ostream>
#include <system_error>

#include "absl/strings/escaping.h"
#include "cli/command.h"
#include "cli/text.h"
#include "server/host.h"

namespace belfry::cli {
namespace {

constexpr int kServerError = 1;

struct ServerFlags {
  bool dev = false;
  bool no_store_token = false;
  std::string root_token;
  std::string listen_address = "127.0.0.1:8200";
  std::string plugin_directory;
  std::string periodic_interval = "1m";
  std::string log_level = "info";

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
    flags->Add("dev-no-store-token",
               "Accepted and without effect: ~/.vault-token is never written.", &no_store_token);
    flags->Add("log-level", "trace, debug, info, warn or error. Default: info.", &log_level);
  }
};

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

// In dev mode nothing is sealed; the key is printed because scripts wait for it.
std::string NewUnsealKey() {
  return absl::Base64Escape(RandomBytes(32));
}

// "host:port" or "[::1]:port".
absl::Status SetListenAddress(const std::string& text, HostConfig* config) {
  const std::size_t colon = text.rfind(':');
  const char* const end = text.data() + text.size();
  const char* const digits = colon == std::string::npos ? end : text.data() + colon + 1;
  const auto [stop, error] = std::from_chars(digits, end, config->listen_port);
  if (error != std::errc() || stop != end) {
    return absl::InvalidArgumentError(Concat(
        "-dev-listen-address must be HOST:PORT, for example 127.0.0.1:8200: \"", text, "\""));
  }
  config->listen_address = text.substr(0, colon);
  std::erase_if(config->listen_address, [](char c) { return c == '[' || c == ']'; });
  if (config->listen_address.empty()) config->listen_address = "0.0.0.0";
  return absl::OkStatus();
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

absl::StatusOr<HostConfig> ConfigFrom(const ServerFlags& flags) {
  if (!flags.dev)
    return absl::InvalidArgumentError("this version runs in dev mode only: belfry server -dev");
  HostConfig config;
  if (absl::Status status = SetListenAddress(flags.listen_address, &config); !status.ok())
    return status;
  const std::vector<std::string> levels = {"trace", "debug", "info", "warn", "error"};
  if (std::find(levels.begin(), levels.end(), flags.log_level) == levels.end()) {
    return absl::InvalidArgumentError(
        Concat("-log-level must be trace, debug, info, warn or error: \"", flags.log_level, "\""));
  }
  if (!absl::ParseDuration(flags.periodic_interval, &config.periodic_interval) ||
      config.periodic_interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        Concat("-dev-periodic-interval must be a duration above zero, for example 1m or 10s: \"",
               flags.periodic_interval, "\""));
  }
  config.log_level = flags.log_level;
  config.root_token = flags.root_token.empty() ? NewRootToken() : flags.root_token;
  config.plugin_directories = PluginDirectories(flags.plugin_directory);
  return config;
}

std::string Authority(const HostConfig& config, std::uint16_t port) {
  const bool ipv6 = config.listen_address.find(':') != std::string::npos;
  return ipv6 ? Concat("[", config.listen_address, "]:", port)
              : Concat(config.listen_address, ":", port);
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

void PrintDevNotes(const HostConfig& config, std::uint16_t port, std::ostream& out) {
  out << "\n==> Belfry server started! Log data will stream in below:\n"
         "\nWARNING! dev mode is enabled! Everything is kept in memory and lost at the end; the "
         "server is unsealed, speaks\n"
         "plain HTTP and has one token that may do everything.\n"
         "\nTo use it from another terminal:\n"
         "\n    $ export VAULT_ADDR='http://"
      << Authority(config, port)
      << "'\n"
         "\nThe unseal key and the root token are shown here and nowhere else; neither is stored "
         "on disk.\n"
         "\nUnseal Key: "
      << NewUnsealKey() << "\nRoot Token: " << config.root_token
      << "\n\nDevelopment mode should NOT be used in production installations!\n"
      << std::endl;
}

}  // namespace

int RunServer(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags("server -dev [flags]");
  ServerFlags wanted;
  wanted.AddTo(&flags);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<HostConfig> config = ConfigFrom(wanted);
  if (!config.ok()) return Fail(terminal, config.status(), kServerError);

  // From here on a signal is remembered, also one that comes while the server starts.
  boost::asio::io_context context;
  boost::asio::signal_set stop(context, SIGINT, SIGTERM);
  absl::StatusOr<std::unique_ptr<Host>> host = Host::Start(*config);
  if (!host.ok()) {
    return Fail(terminal,
                Concat("Error starting the server: ", std::string(host.status().message())),
                kServerError);
  }
  PrintConfiguration(*config, (*host)->Port(), *terminal.out);
  PrintDevNotes(*config, (*host)->Port(), *terminal.out);
  stop.async_wait([](boost::system::error_code, int) {});
  context.run();

  stop.clear();  // A second signal ends a shutdown that hangs.
  *terminal.out << "==> Belfry shutdown triggered" << std::endl;
  host->reset();
  return kSuccess;
}

}  // namespace belfry::cli
