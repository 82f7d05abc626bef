#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/terminal.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX.

namespace belfry::cli {

// What a command's flags say about TLS. The environment may say what is empty or absent here.
struct TlsFlags {
  std::string ca_cert;
  std::string ca_path;
  std::string client_cert;
  std::string client_key;
  std::string server_name;
  std::optional<bool> skip_verify;
};

// How to speak TLS with a server.
struct ClientTls {
  // What the server's certificate must be for; empty: the host of its address.
  std::string server_name;
  // Which authorities are trusted, and the client's certificate. Null until ClientTlsFrom has made
  // it; connecting fails then.
  std::shared_ptr<ssl_ctx_st> context;
};

// From the flags, else from the environment: CACERT_BYTES, CACERT, CAPATH, CLIENT_CERT, CLIENT_KEY,
// TLS_SERVER_NAME and SKIP_VERIFY, each behind BELFRY_ or VAULT_. Without authorities those of the
// system are trusted. InvalidArgument, with the name of the flag or variable, for files that cannot
// be used, for a certificate without its key, and for a SKIP_VERIFY that is not a boolean.
absl::StatusOr<ClientTls> ClientTlsFrom(const Terminal& terminal, const TlsFlags& flags);

}  // namespace belfry::cli
