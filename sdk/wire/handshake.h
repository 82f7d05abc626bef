#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace belfry::wire {

// Names and values that host and plugin must agree on. (plugin-protocol 1.1, 1.2)
inline constexpr char kCookieName[] = "VAULT_BACKEND_PLUGIN";
inline constexpr char kCookieValue[] = "6669da05-b1c8-4f49-97d9-c8e5bed98e20";
inline constexpr char kProtocolVersionsVariable[] = "PLUGIN_PROTOCOL_VERSIONS";
inline constexpr char kClientCertificateVariable[] = "PLUGIN_CLIENT_CERT";
inline constexpr char kMultiplexVariable[] = "PLUGIN_MULTIPLEX_GRPC";
inline constexpr char kSocketDirectoryVariable[] = "PLUGIN_UNIX_SOCKET_DIR";
inline constexpr char kSocketGroupVariable[] = "PLUGIN_UNIX_SOCKET_GROUP";
inline constexpr char kMultiplexIdMetadata[] = "multiplex_id";
// On a call to the mount's storage: the path of the request that it is made for, where there is
// one. The host learns by it which requests read much. (belfry.v1)
inline constexpr char kRequestPathMetadata[] = "belfry-request-path-bin";
// On a call that stores something: the id of the request that it is made for, where there is one. A
// request that has stored something is not sent again when the plugin has died. (belfry.v1)
inline constexpr char kRequestIdMetadata[] = "belfry-request-id-bin";
inline constexpr int kProtocolVersion = 5;
// The texts of a read-only storage are protocol: plugins compare them. (plugin-protocol 5.8)
inline constexpr char kSetupReadOnlyText[] = "cannot write to storage during setup";
inline constexpr char kReadOnlyText[] = "cannot write to readonly storage";

// The one line that a plugin prints: where it listens and how. (plugin-protocol 1.3)
struct Handshake {
  int protocol_version = kProtocolVersion;
  std::string network;  // "unix" or "tcp"
  std::string address;
  std::string certificate_pem;      // Empty without mutual TLS.
  std::optional<bool> multiplexed;  // The seventh part, if there is one.
};

// The line without its newline. `certificate_field` is EncodeHandshakeCertificate's text or empty.
std::string FormatHandshake(const Handshake& handshake, std::string_view certificate_field);

// InvalidArgument, with one sentence that says what is wrong and what to do.
absl::StatusOr<Handshake> ParseHandshake(std::string_view line);

// The version a plugin answers with: the highest of `own` that occurs in `offered`
// (comma-separated), else the lowest of `own`, for the host to refuse. (plugin-protocol 1.4)
int NegotiateVersion(std::string_view offered, const std::vector<int>& own);

// The items of `offered` that are no numbers, and so were not looked at. They live as long as it.
std::vector<std::string_view> MalformedVersions(std::string_view offered);

}  // namespace belfry::wire
