#include "cli/connection.h"

#include <charconv>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
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

// The token that `vault login` has stored.
std::string StoredToken(const Terminal& terminal) {
  const auto home = terminal.environment("HOME");
  if (!home) return "";
  std::ifstream file(Concat(*home, "/.vault-token"));
  std::ostringstream text;
  text << file.rdbuf();
  return std::string(Trimmed(text.str()));
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
  connection->port = 80;
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

std::string Connection::Target(std::string_view path, std::string_view query) const {
  return Concat(base_path, "/v1/", EncodePath(path), query.empty() ? "" : "?", query);
}

absl::Status SetAddress(std::string_view address, Connection* connection) {
  std::string_view rest = address;
  if (rest.starts_with("https://") || rest.starts_with("wss://")) {
    return BadAddress(address, "this version speaks plain HTTP only; use an http:// address");
  }
  if (!ConsumePrefix(&rest, "http://") && !ConsumePrefix(&rest, "ws://")) {
    return BadAddress(address, "it must start with http://, for example http://127.0.0.1:8200");
  }
  const std::size_t slash = rest.find('/');
  connection->base_path = slash == std::string_view::npos ? "" : std::string(rest.substr(slash));
  while (connection->base_path.ends_with('/')) connection->base_path.pop_back();
  return SetAuthority(address, rest.substr(0, slash), connection);
}

std::string Setting(const Terminal& terminal, std::string_view name) {
  for (const char* prefix : {"BELFRY_", "VAULT_"}) {
    const auto value = terminal.environment(Concat(prefix, name).c_str());
    if (value && !value->empty()) return *value;
  }
  return "";
}

absl::StatusOr<Connection> ConnectionFrom(const Terminal& terminal, std::string_view address,
                                          std::string_view name_space) {
  Connection connection;
  std::string where(address);
  if (where.empty()) where = Setting(terminal, "ADDR");
  if (where.empty()) where = std::string(kDefaultAddress);
  if (absl::Status status = SetAddress(where, &connection); !status.ok()) return status;
  connection.token = Setting(terminal, "TOKEN");
  if (connection.token.empty()) connection.token = StoredToken(terminal);
  connection.name_space =
      name_space.empty() ? Setting(terminal, "NAMESPACE") : std::string(name_space);
  return connection;
}

}  // namespace belfry::cli
