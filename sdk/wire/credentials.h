#pragma once

#include <memory>
#include <optional>
#include <string>

#include "grpcpp/channel.h"
#include "grpcpp/security/server_credentials.h"
#include "sdk/wire/certificate.h"

namespace belfry::wire {

// The two ends of a host–plugin connection: what this side shows, and the one certificate that it
// trusts. (plugin-protocol 2.2)
struct Trust {
  Certificate own;
  std::string peer_certificate_pem;
};

// Server credentials that demand the peer's certificate; plaintext without `trust` (AutoMTLS off).
std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const std::optional<Trust>& trust);

// A channel to a listener of the peer: `network` is "unix" or "tcp", `address` as in the handshake.
// Message sizes are unlimited, and the channel shares no connection with any other.
std::shared_ptr<grpc::Channel> Connect(const std::string& network, const std::string& address,
                                       const std::optional<Trust>& trust);

}  // namespace belfry::wire
