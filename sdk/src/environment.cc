#include "sdk/src/environment.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sdk/wire/handshake.h"

namespace belfry::internal {
namespace {

constexpr char kMetadataModeVariable[] = "VAULT_PLUGIN_METADATA_MODE";
constexpr char kAutoTlsVariable[] = "VAULT_PLUGIN_AUTOMTLS_ENABLED";
constexpr char kUnwrapTokenVariable[] = "VAULT_UNWRAP_TOKEN";
constexpr char kTemporaryDirectoryVariable[] = "TMPDIR";
constexpr char kDefaultDirectory[] = "/tmp";

constexpr std::array<std::string_view, 5> kTextFlags = {"ca-cert", "ca-path", "client-cert",
                                                        "client-key", "tls-server-name"};
constexpr std::string_view kBoolFlag = "tls-skip-verify";

std::string Usage(std::string_view program, std::string_view argument) {
  return Concat({"flag not known: ", argument, "\nUsage of ", program,
                 ": accepted for Vault's sake and ignored are -ca-cert, -ca-path, -client-cert, "
                 "-client-key and -tls-server-name with a value, and -tls-skip-verify.\n"});
}

}  // namespace

Environment ReadEnvironment(const std::function<const char*(const char*)>& get) {
  const auto text = [&get](const char* name) {
    const char* value = get(name);
    return std::string(value == nullptr ? "" : value);
  };
  Environment environment;
  environment.started_by_host = text(wire::kCookieName) == wire::kCookieValue;
  environment.protocol_versions = text(wire::kProtocolVersionsVariable);
  environment.client_certificate_pem = text(wire::kClientCertificateVariable);
  environment.multiplexing_wanted = !text(wire::kMultiplexVariable).empty();
  environment.metadata_mode = text(kMetadataModeVariable) == "true";
  // Both modes make no use of the token, which may be a leftover of the host's own environment.
  environment.wrapped_key_offered = !environment.metadata_mode &&
                                    text(kAutoTlsVariable) != "true" &&
                                    !text(kUnwrapTokenVariable).empty();
  environment.socket_group = text(wire::kSocketGroupVariable);
  for (const char* name : {wire::kSocketDirectoryVariable, kTemporaryDirectoryVariable}) {
    if (environment.socket_directory.empty()) environment.socket_directory = text(name);
  }
  if (environment.socket_directory.empty()) environment.socket_directory = kDefaultDirectory;
  return environment;
}

std::optional<std::string> CheckArguments(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::size_t dashes = argument.starts_with("--") ? 2 : argument.starts_with("-") ? 1 : 0;
    // As Go's flag package: what follows "--" or the first plain word is not looked at.
    if (dashes == 0 || argument == "-" || argument == "--") return std::nullopt;
    const std::size_t equals = argument.find('=');
    const std::string_view name =
        argument.substr(dashes, equals == std::string_view::npos ? equals : equals - dashes);
    const bool has_value = equals != std::string_view::npos;
    if (name == kBoolFlag) continue;
    const bool known = std::find(kTextFlags.begin(), kTextFlags.end(), name) != kTextFlags.end();
    if (!known || (!has_value && i + 1 == argc)) return Usage(argv[0], argument);
    if (!has_value) ++i;
  }
  return std::nullopt;
}

}  // namespace belfry::internal
