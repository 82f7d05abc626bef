#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/client_tls.h"
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
  std::optional<ClientTls> tls;  // Where the address says https.

  // "127.0.0.1:8200", as in a Host header.
  std::string Authority() const;
  // "https://127.0.0.1:8200".
  std::string Origin() const;
  // "/v1/" and the path, percent-encoded for a request line.
  std::string Target(std::string_view path, std::string_view query = "") const;
};

// A '/'-separated path (or, where '/' is to be encoded too, a query value) for a URL.
std::string EncodePath(std::string_view path);
std::string EncodeQuery(std::string_view text);

// Understands "http://host[:port][/path]", "https://…" and, for redirects of event streams,
// "ws://…" and "wss://…". InvalidArgument with one sentence otherwise; an address with control
// characters or white space in it is one of those. With https, `tls` is there and has no context
// yet.
absl::Status SetAddress(std::string_view address, Connection* connection);

// The request line's target of a redirect from this server: a path, or an address with the same
// scheme and authority. FailedPrecondition for any other: neither the token nor what is written
// goes to a server that the user has not named.
absl::StatusOr<std::string> RedirectTarget(const Connection& connection, std::string_view location);

// From the environment: BELFRY_ADDR, BELFRY_TOKEN and BELFRY_NAMESPACE, else VAULT_ADDR,
// VAULT_TOKEN and VAULT_NAMESPACE, else http://127.0.0.1:8200 and the token in ~/.vault-token. An
// address may end in "/v1", which is left out. An `address` or `name_space` that is not empty wins
// over both. InvalidArgument, naming where it came from, for a value that must not be part of a
// request's head: a line break in it would start another header. With https, also what
// ClientTlsFrom refuses.
absl::StatusOr<Connection> ConnectionFrom(const Terminal& terminal, std::string_view address,
                                          std::string_view name_space,
                                          const TlsFlags& tls_flags = {});

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
