#include "sdk/wire/handshake.h"

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "base/text.h"
#include "sdk/wire/certificate.h"

namespace belfry::wire {
namespace {

constexpr std::string_view kCoreVersion = "1";
// Shorter sixth parts are ignored, as go-plugin does. (plugin-protocol 1.3)
constexpr std::size_t kMinCertificateLength = 51;
constexpr std::size_t kMaxQuotedLength = 200;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<int> ParseNumber(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string Quoted(std::string_view text) {
  const bool cut = text.size() > kMaxQuotedLength;
  return Concat(
      {"\"", absl::CHexEscape(ToAbsl(text.substr(0, kMaxQuotedLength))), cut ? "…\"" : "\""});
}

absl::Status Wrong(std::string_view what, std::string_view value, std::string_view advice) {
  return absl::InvalidArgumentError(
      Concat({"the plugin's handshake line ", what, " ", Quoted(value), ": ", advice}));
}

absl::Status CheckTransport(const Handshake& handshake, std::string_view protocol) {
  if (handshake.network != "unix" && handshake.network != "tcp") {
    return Wrong("names the network", handshake.network, "only unix and tcp are known");
  }
  if (handshake.address.empty()) {
    return absl::InvalidArgumentError(
        "the plugin's handshake line has no address: the plugin must listen before it prints the "
        "line");
  }
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (std::any_of(handshake.address.begin(), handshake.address.end(), is_control)) {
    return Wrong("has the address", handshake.address, "an address holds no control characters");
  }
  if (protocol != "grpc") {
    return Wrong("names the protocol", protocol,
                 "only grpc is spoken; rebuild the plugin with a current SDK");
  }
  return absl::OkStatus();
}

absl::Status ParseOptionalParts(const std::vector<std::string_view>& parts, Handshake& handshake) {
  if (parts.size() > 5 && parts[5].size() >= kMinCertificateLength) {
    absl::StatusOr<std::string> pem = DecodeHandshakeCertificate(parts[5]);
    if (!pem.ok()) return pem.status();
    handshake.certificate_pem = *std::move(pem);
  }
  if (parts.size() > 6) {
    handshake.multiplexed = ParseBool(parts[6]);
    if (!handshake.multiplexed) {
      return Wrong("ends with", parts[6], "the seventh part must be true or false");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string FormatHandshake(const Handshake& handshake, std::string_view certificate_field) {
  std::string line =
      Concat({kCoreVersion, "|", std::to_string(handshake.protocol_version), "|", handshake.network,
              "|", handshake.address, "|grpc|", certificate_field});
  if (handshake.multiplexed) line += *handshake.multiplexed ? "|true" : "|false";
  return line;
}

absl::StatusOr<Handshake> ParseHandshake(std::string_view line) {
  const std::string_view trimmed = ToStd(absl::StripAsciiWhitespace(ToAbsl(line)));
  if (trimmed.empty()) {
    return absl::InvalidArgumentError(
        "the plugin's first line on standard output is empty: it must be the handshake line");
  }
  const std::vector<std::string_view> parts = Split(trimmed, '|');
  if (parts.size() < 4) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the plugin's first line on standard output is no handshake line: ", Quoted(trimmed),
        "; a plugin must print nothing before it"));
  }
  if (parts[0] != kCoreVersion) {
    return Wrong("has the core version", parts[0],
                 "only 1 is known; rebuild the plugin or update the host");
  }
  const std::optional<int> version = ParseNumber(parts[1]);
  if (!version) {
    return Wrong("has the protocol version", parts[1], "it must be a number");
  }
  Handshake handshake{.protocol_version = *version,
                      .network = std::string(parts[2]),
                      .address = std::string(parts[3])};
  // Without the field the plugin speaks net/rpc. (plugin-protocol 1.3)
  absl::Status status = CheckTransport(handshake, parts.size() > 4 ? parts[4] : "netrpc");
  if (!status.ok()) return status;
  status = ParseOptionalParts(parts, handshake);
  if (!status.ok()) return status;
  return handshake;
}

int NegotiateVersion(std::string_view offered, const std::vector<int>& own) {
  const int lowest = *std::min_element(own.begin(), own.end());
  int best = lowest;
  for (const std::string_view item : Split(offered, ',')) {
    const std::optional<int> version = ParseNumber(item);
    if (!version || std::find(own.begin(), own.end(), *version) == own.end()) continue;
    best = std::max(best, *version);
  }
  return best;
}

std::vector<std::string_view> MalformedVersions(std::string_view offered) {
  if (offered.empty()) return {};
  std::vector<std::string_view> items = Split(offered, ',');
  std::erase_if(items, [](std::string_view item) { return ParseNumber(item).has_value(); });
  return items;
}

}  // namespace belfry::wire
