#include "cli/server_flags.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "base/ids.h"
#include "base/logging.h"
#include "cli/connection.h"
#include "cli/text.h"
#include "server/configuration.h"
#include "server/listen_address.h"

namespace belfry::cli {
namespace {

constexpr std::string_view kDefaultListenAddress = "127.0.0.1:8200";
constexpr std::string_view kEvents = "events.alpha1";
// What only dev mode has.
constexpr std::string_view kDevFlags[] = {"dev-root-token-id",  "dev-listen-address",
                                          "dev-plugin-dir",     "dev-periodic-interval",
                                          "dev-no-store-token", "dev-tls",
                                          "dev-tls-cert-dir",   "dev-tls-san"};

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

std::string NewRootToken() {
  return Concat("hvs.", RandomBase62(24));
}

// "host:port" or "[::1]:port".
absl::Status SetListenAddress(const Wanted& wanted, HostConfig* config) {
  const std::string text = wanted.value.empty() ? std::string(kDefaultListenAddress) : wanted.value;
  absl::StatusOr<ListenerConfig> listener = ParseListenAddress(text);
  if (!listener.ok()) {
    return absl::InvalidArgumentError(Concat("cannot listen on \"", text, "\" (", wanted.source,
                                             "): ", std::string(listener.status().message())));
  }
  config->listeners = {*std::move(listener)};
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
  if (!LogLevelNamed(wanted.value)) {
    return absl::InvalidArgumentError(Concat(
        wanted.source, " must be trace, debug, info, warn or error: \"", wanted.value, "\""));
  }
  config->log_level = absl::AsciiStrToLower(wanted.value);
  return absl::OkStatus();
}

// `source` names the flag or the key that gave it.
absl::Status CheckPluginDirectory(std::string_view source, const std::string& directory) {
  std::error_code error;
  if (directory.empty() || std::filesystem::is_directory(directory, error)) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat(
      source, ": ", directory, error ? Concat(": ", error.message()) : " is not a directory"));
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

}  // namespace

ServerFlags::ServerFlags(Flags* flags, const Terminal* terminal)
    : flags_(flags), terminal_(terminal) {
  flags->Add("config",
             "A file of configuration in HCL or JSON, or a directory of *.hcl and *.json; may be "
             "repeated.",
             &files_);
  flags->Add("dev", "Keep everything in memory, with one root token.", &dev_);
  flags->Add("dev-root-token-id", "The root token. Default: a random one.", &root_token_);
  flags->Add("dev-listen-address",
             "Where to listen. Default: 127.0.0.1:8200; port 0 takes any free one.",
             &listen_address_);
  flags->Add(
      "dev-tls",
      "Speak TLS, with an authority and a certificate that are made for this run and go with "
      "it.",
      &tls_);
  flags->Add("dev-tls-cert-dir",
             "Where -dev-tls writes vault-ca.pem, vault-cert.pem and vault-key.pem. Default: a "
             "temporary folder.",
             &tls_folder_);
  flags->Add("dev-tls-san",
             "A host name or an IP address for which the certificate of -dev-tls is, beside "
             "localhost; may be repeated.",
             &tls_names_);
  flags->Add("dev-plugin-dir",
             "A directory of plugins, looked in before the one beside this program.",
             &plugin_directory_);
  flags->Add("dev-periodic-interval",
             "How often plugins do what they have planned to do again and again. Default: 1m.",
             &periodic_interval_);
  flags->Add("experiment",
             "events.alpha1, as Vault 1.15 needs it for events; may be repeated. Here it changes "
             "nothing: events are always on.",
             &experiments_);
  flags->Add("dev-no-store-token", "Accepted and without effect: ~/.vault-token is never written.",
             &no_store_token_);
  flags->Add(
      "log-level",
      "trace, debug, info, warn or error, in any case. Default: what the configuration says, "
      "else info.",
      &log_level_);
  flags->AddEnvironment("BELFRY_DEV_ROOT_TOKEN_ID, VAULT_DEV_ROOT_TOKEN_ID",
                        "The root token, if -dev-root-token-id does not give it.");
  flags->AddEnvironment("BELFRY_DEV_LISTEN_ADDRESS, VAULT_DEV_LISTEN_ADDRESS",
                        "Where to listen, if -dev-listen-address does not say it.");
  flags->AddEnvironment("BELFRY_EXPERIMENTS, VAULT_EXPERIMENTS",
                        "As -experiment, separated by commas.");
  flags->AddEnvironment("BELFRY_LOG_LEVEL, VAULT_LOG_LEVEL",
                        "What to log, if -log-level does not say it.");
}

absl::StatusOr<HostConfig> ServerFlags::Config() const {
  if (absl::Status status = CheckMode(); !status.ok()) return status;
  absl::StatusOr<HostConfig> config = dev() ? DevModeConfig() : ReadConfiguration(files_);
  if (!config.ok()) return config;
  const Wanted level = FlagOrSetting(*terminal_, "-log-level", log_level_, "LOG_LEVEL");
  if (absl::Status status = SetLogLevel(level, &*config); !status.ok()) return status;
  const std::string asked_for =
      config->plugin_directories.empty() ? "" : config->plugin_directories.front();
  const absl::Status status =
      CheckPluginDirectory(dev() ? "-dev-plugin-dir" : "plugin_directory", asked_for);
  if (!status.ok()) return status;
  config->plugin_directories = PluginDirectories(asked_for);
  config->version = BELFRY_VERSION;
  return config;
}

absl::Status ServerFlags::CheckMode() const {
  if (dev() && !files_.empty())
    return absl::InvalidArgumentError("-dev and -config cannot be given together");
  if (!dev() && files_.empty()) {
    return absl::InvalidArgumentError(
        "a server needs a configuration: belfry server -config=FILE\n"
        "to try things out, with everything in memory: belfry server -dev");
  }
  for (const std::string_view flag : kDevFlags) {
    if (!dev() && flags_->Given(flag))
      return absl::InvalidArgumentError(Concat("-", flag, " is for dev mode: give -dev with it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<HostConfig> ServerFlags::DevModeConfig() const {
  HostConfig config;
  const Wanted address =
      FlagOrSetting(*terminal_, "-dev-listen-address", listen_address_, "DEV_LISTEN_ADDRESS");
  const Wanted token =
      FlagOrSetting(*terminal_, "-dev-root-token-id", root_token_, "DEV_ROOT_TOKEN_ID");
  if (absl::Status status = SetListenAddress(address, &config); !status.ok()) return status;
  if (absl::Status status = SetRootToken(token, &config); !status.ok()) return status;
  if (!absl::ParseDuration(periodic_interval_, &config.periodic_interval) ||
      config.periodic_interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        Concat("-dev-periodic-interval must be a duration above zero, for example 1m or 10s: \"",
               periodic_interval_, "\""));
  }
  if (!plugin_directory_.empty()) config.plugin_directories = {plugin_directory_};
  return config;
}

absl::StatusOr<std::unique_ptr<DevCertificates>> ServerFlags::MakeCertificates(
    const HostConfig& config) const {
  if (tls_) {
    std::vector<std::string> names = tls_names_;
    names.push_back(config.listeners[0].address);
    return DevCertificates::Make(tls_folder_, names);
  }
  if (!tls_folder_.empty() || !tls_names_.empty())
    return absl::InvalidArgumentError("-dev-tls-cert-dir and -dev-tls-san need -dev-tls");
  return nullptr;
}

absl::StatusOr<std::vector<std::string>> ServerFlags::Experiments(const HostConfig& config) const {
  std::vector<std::string> names = config.experiments;
  names.insert(names.end(), experiments_.begin(), experiments_.end());
  const std::string listed = Setting(*terminal_, "EXPERIMENTS");
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

}  // namespace belfry::cli
