#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>

#include "tests/bench/drain.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {

// A client's end of a TLS connection on loopback; whose certificate it is does not matter. Failures
// throw, as in sockets.h. Used by one thread.
class TlsConnection {
 public:
  explicit TlsConnection(std::uint16_t port);
  ~TlsConnection();
  TlsConnection(TlsConnection&&) = delete;

  // Must not outlive the connection.
  Stream stream();
  int socket() const { return socket_; }
  // From now on somebody else owns the socket and reads it; what comes is decrypted for `counter`.
  std::unique_ptr<MessageCounter> ReadBy(std::unique_ptr<MessageCounter> counter) &&;

 private:
  struct Free {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };
  class Decrypting;

  int socket_;
  std::unique_ptr<SSL, Free> tls_;
};

}  // namespace belfry::bench
