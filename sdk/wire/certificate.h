#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace belfry::wire {

// One side's key pair for the mutual TLS between a host and its plugin. (plugin-protocol 2.1)
struct Certificate {
  std::string certificate_pem;
  std::string certificate_der;
  std::string private_key_pem;
};

// A new self-signed ECDSA P-521 certificate for "localhost", for both client and server, valid from
// 30 seconds ago for 30 years.
absl::StatusOr<Certificate> NewCertificate();

// The certificate field of the handshake line: standard base64 without padding.
// (plugin-protocol 1.3, part 6)
std::string EncodeHandshakeCertificate(std::string_view der);
// Its PEM; InvalidArgument when it is no base64 or no certificate. Padding is refused, as go-plugin
// does.
absl::StatusOr<std::string> DecodeHandshakeCertificate(std::string_view field);

}  // namespace belfry::wire
