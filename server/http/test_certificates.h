#pragma once

#include <string>
#include <string_view>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/http/openssl.h"
#include "server/http/tls_options.h"

// Certificates for tests, made when they are needed.

namespace belfry::http {

struct TestCertificate {
  OpenSslPtr<X509> x509;
  OpenSslPtr<EVP_PKEY> key;

  std::string Pem() const;
  // Encrypted when there is a passphrase.
  std::string KeyPem(std::string_view passphrase = "") const;
};

struct CertificateSpec {
  std::string name = "localhost";
  // Who signs it; null: it signs itself, and may sign others.
  const TestCertificate* issuer = nullptr;
  absl::Time valid_from = absl::Now() - absl::Hours(1);
  absl::Time valid_until = absl::Now() + absl::Hours(1);
  // A key of RSA with so many bits instead of P-256.
  unsigned rsa_bits = 0;
};

TestCertificate MakeCertificate(const CertificateSpec& spec = {});

// A folder of its own for files, removed at the end.
class TestFolder final {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string path(std::string_view name) const;
  // Writes the file and returns its path.
  std::string Write(std::string_view name, std::string_view content) const;
  // Writes certificate and key as the options' files; over those that are there.
  TlsOptions Write(const TestCertificate& certificate) const;

 private:
  std::string path_;
};

}  // namespace belfry::http
