#include "cli/connection.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "cli/input.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

constexpr std::string_view kDefaultAddress = "http://127.0.0.1:8200";

std::string Encode(std::string_view text, std::string_view kept) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        kept.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += Concat('%', kHex[byte >> 4], kHex[byte & 15]);
    }
  }
  return out;
}

// More than any token has, and less than the library that writes headers refuses.
constexpr std::size_t kMaxHeaderBytes = std::size_t{60} << 10;
constexpr std::size_t kMaxAddressBytes = 4096;

// A line break in a header's value would start another header.
bool IsControl(char c) {
  return absl::ascii_iscntrl(static_cast<unsigned char>(c));
}
bool IsVisibleAscii(char c) {
  return absl::ascii_isgraph(static_cast<unsigned char>(c));
}

// `what` is "the token in VAULT_TOKEN" and such. The value itself is not shown: it may be secret.
absl::Status CheckHeader(std::string_view what, std::string_view value) {
  if (value.size() > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(Concat(what, " cannot be sent: it has ", value.size(),
                                             " bytes, and a header has at most ", kMaxHeaderBytes));
  }
  const auto bad = std::find_if(value.begin(), value.end(), IsControl);
  if (bad == value.end()) return absl::OkStatus();
  const bool line_break = *bad == '\n' || *bad == '\r';
  return absl::InvalidArgumentError(
      Concat(what, " cannot be sent: character ", bad - value.begin() + 1, " of ", value.size(),
             " is a ", line_break ? "line break" : "control character", "; take it out"));
}

// The token that `vault login` has stored; empty when there is none.
absl::StatusOr<std::string> StoredToken(const Terminal& terminal) {
  const auto home = terminal.environment("HOME");
  if (!home) return std::string();
  const std::string name = Concat(*home, "/.vault-token");
  std::error_code error;
  if (!std::filesystem::exists(name, error)) return std::string();
  absl::StatusOr<std::string> text = ReadFile(name);
  if (!text.ok()) return text.status();
  return std::string(Trimmed(*text));
}

absl::Status SetToken(const Terminal& terminal, Connection* connection) {
  EnvironmentSetting setting = FindSetting(terminal, "TOKEN");
  connection->token = std::move(setting.value);
  if (!connection->token.empty())
    return CheckHeader(Concat("the token in ", setting.variable), connection->token);
  absl::StatusOr<std::string> stored = StoredToken(terminal);
  if (!stored.ok()) return stored.status();
  connection->token = *std::move(stored);
  return CheckHeader("the token in ~/.vault-token", connection->token);
}

absl::Status SetNamespace(const Terminal& terminal, std::string_view wanted,
                          Connection* connection) {
  const EnvironmentSetting setting = FindSetting(terminal, "NAMESPACE");
  connection->name_space = wanted.empty() ? setting.value : std::string(wanted);
  return CheckHeader(wanted.empty() ? Concat("the namespace in ", setting.variable)
                                    : "the namespace of -namespace",
                     connection->name_space);
}

absl::Status BadAddress(std::string_view address, std::string_view why) {
  return absl::InvalidArgumentError(Concat("cannot use the address \"", address, "\": ", why));
}

// Splits "[::1]:8200" or "host:8200" or "host".
absl::Status SetAuthority(std::string_view address, std::string_view authority,
                          Connection* connection) {
  std::string_view port;
  if (ConsumePrefix(&authority, "[")) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos)
      return BadAddress(address, "an IPv6 address must end in ']'");
    connection->host = std::string(authority.substr(0, end));
    port = authority.substr(end + 1);
  } else {
    const std::size_t colon = authority.find(':');
    connection->host = std::string(authority.substr(0, colon));
    port = colon == std::string_view::npos ? "" : authority.substr(colon);
  }
  if (connection->host.empty()) return BadAddress(address, "it names no host");
  connection->port = connection->tls ? 443 : 80;
  if (port.empty()) return absl::OkStatus();
  if (ConsumePrefix(&port, ":")) {
    const auto end = port.data() + port.size();
    const auto [stop, error] = std::from_chars(port.data(), end, connection->port);
    if (error == std::errc() && stop == end && connection->port != 0) return absl::OkStatus();
  }
  return BadAddress(address, "the port must be a number from 1 to 65535");
}

}  // namespace

std::string EncodePath(std::string_view path) {
  return Encode(path, "-._~/:@!$&'()+,;=");
}
std::string EncodeQuery(std::string_view text) {
  return Encode(text, "-._~");
}

std::string Connection::Authority() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? Concat("[", host, "]:", port) : Concat(host, ":", port);
}

std::string Connection::Origin() const {
  return Concat(tls ? "https://" : "http://", Authority());
}

std::string Connection::Target(std::string_view path, std::string_view query) const {
  return Concat(base_path, "/v1/", EncodePath(path), query.empty() ? "" : "?", query);
}

absl::Status SetAddress(std::string_view address, Connection* connection) {
  if (address.size() > kMaxAddressBytes)
    return absl::InvalidArgumentError(
        Concat("the address has ", address.size(), " bytes, more than any host's name has"));
  if (!std::all_of(address.begin(), address.end(), IsVisibleAscii))
    return BadAddress(address, "it has white space, control or non-ASCII characters in it");
  std::string_view rest = address;
  connection->tls.reset();
  if (ConsumePrefix(&rest, "https://") || ConsumePrefix(&rest, "wss://")) {
    connection->tls.emplace();
  } else if (!ConsumePrefix(&rest, "http://") && !ConsumePrefix(&rest, "ws://")) {
    return BadAddress(address,
                      "it must start with http:// or https://, for example http://127.0.0.1:8200");
  }
  const std::size_t slash = rest.find('/');
  // It is not shown: it may hold a password.
  if (rest.substr(0, slash).find('@') != std::string_view::npos)
    return absl::InvalidArgumentError(
        "the address has an '@' in it: take the user and password out, the token says who asks");
  connection->base_path = slash == std::string_view::npos ? "" : std::string(rest.substr(slash));
  while (connection->base_path.ends_with('/')) connection->base_path.pop_back();
  return SetAuthority(address, rest.substr(0, slash), connection);
}

absl::StatusOr<std::string> RedirectTarget(const Connection& connection,
                                           std::string_view location) {
  if (location.starts_with('/') && !location.starts_with("//")) return std::string(location);
  Connection elsewhere;
  if (absl::Status status = SetAddress(location, &elsewhere); !status.ok()) return status;
  if (elsewhere.Origin() == connection.Origin())
    return elsewhere.base_path.empty() ? "/" : elsewhere.base_path;
  return absl::FailedPreconditionError(
      Concat("the server at ", connection.Origin(), " redirects to ", elsewhere.Origin(),
             ", where your token is not sent; if you trust that server, give its address with "
             "-address, BELFRY_ADDR or VAULT_ADDR"));
}

EnvironmentSetting FindSetting(const Terminal& terminal, std::string_view name) {
  for (const char* prefix : {"BELFRY_", "VAULT_"}) {
    std::string variable = Concat(prefix, name);
    auto value = terminal.environment(variable.c_str());
    if (value && !value->empty()) return {std::move(variable), *std::move(value)};
  }
  return {};
}

std::string Setting(const Terminal& terminal, std::string_view name) {
  return FindSetting(terminal, name).value;
}

absl::StatusOr<Connection> ConnectionFrom(const Terminal& terminal, std::string_view address,
                                          std::string_view name_space, const TlsFlags& tls_flags) {
  Connection connection;
  std::string where(address);
  if (where.empty()) where = Setting(terminal, "ADDR");
  if (where.empty()) where = std::string(kDefaultAddress);
  if (absl::Status status = SetAddress(where, &connection); !status.ok()) return status;
  // Every path begins with it: an address that was copied with it means the server.
  std::string& base = connection.base_path;
  if (constexpr std::string_view kApi = "/v1"; base.ends_with(kApi)) {
    base.resize(base.size() - kApi.size());
  }
  if (absl::Status status = SetToken(terminal, &connection); !status.ok()) return status;
  if (absl::Status status = SetNamespace(terminal, name_space, &connection); !status.ok())
    return status;
  if (connection.tls) {
    absl::StatusOr<ClientTls> tls = ClientTlsFrom(terminal, tls_flags);
    if (!tls.ok()) return tls.status();
    connection.tls = *std::move(tls);
  }
  return connection;
}

}  // namespace belfry::cli
