#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/terminal.h"

namespace belfry::cli {

// Where a server is and as whom to speak to it.
struct Connection {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8200;
  std::string
      base_path;  // What the address has after the port, without a final '/'; usually nothing.
  std::string token;
  std::string name_space;

  // "127.0.0.1:8200", as in a Host header.
  std::string Authority() const;
  // "/v1/" and the path, percent-encoded for a request line.
  std::string Target(std::string_view path, std::string_view query = "") const;
};

// A '/'-separated path (or, where '/' is to be encoded too, a query value) for a URL.
std::string EncodePath(std::string_view path);
std::string EncodeQuery(std::string_view text);

// Understands "http://host[:port][/path]" and, for redirects of event streams, "ws://…".
// InvalidArgument with one sentence otherwise; an address with TLS is one of those for now, and so
// is one with control characters or white space in it.
absl::Status SetAddress(std::string_view address, Connection* connection);

// The request line's target of a redirect from this server: a path, or an address with the same
// authority. FailedPrecondition for any other: neither the token nor what is written goes to a
// server that the user has not named.
absl::StatusOr<std::string> RedirectTarget(const Connection& connection, std::string_view location);

// From the environment: BELFRY_ADDR, BELFRY_TOKEN and BELFRY_NAMESPACE, else VAULT_ADDR,
// VAULT_TOKEN and VAULT_NAMESPACE, else http://127.0.0.1:8200 and the token in ~/.vault-token. An
// address may end in "/v1", which is left out. An
// `address` or `name_space` that is not empty wins over both. InvalidArgument, naming where it came
// from, for a value that must not be part of a request's head: a line break in it would start
// another header.
absl::StatusOr<Connection> ConnectionFrom(const Terminal& terminal, std::string_view address,
                                          std::string_view name_space);

// A setting of the environment and the variable that it comes from.
struct EnvironmentSetting {
  std::string variable;
  std::string value;
};
// BELFRY_<name>, else VAULT_<name>, else empty texts. An empty variable counts as absent.
EnvironmentSetting FindSetting(const Terminal& terminal, std::string_view name);
// Its value alone.
std::string Setting(const Terminal& terminal, std::string_view name);

}  // namespace belfry::cli
