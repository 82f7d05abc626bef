#pragma once

#include <string>

namespace belfry::http {

enum class TlsVersion { k12, k13 };

// How a listener speaks TLS. Files are in PEM form; they are named in messages by Vault's names for
// them in a listener's configuration.
struct TlsOptions {
  // tls_cert_file: the server's own certificate first, then those that lead to its authority.
  std::string certificate_file;
  // tls_key_file: not encrypted. May be the same file.
  std::string key_file;
  // tls_client_ca_file: whose certificates clients may have. Empty: they are not asked for any.
  std::string client_ca_file;
  // tls_require_and_verify_client_cert: what a client without a certificate gets. One whose
  // certificate no authority of client_ca_file has signed is always refused.
  enum class WithoutCertificate { kServed, kRefused };
  WithoutCertificate without_certificate = WithoutCertificate::kServed;
  TlsVersion min_version = TlsVersion::k12;
  TlsVersion max_version = TlsVersion::k13;

  bool operator==(const TlsOptions&) const = default;
};

}  // namespace belfry::http
