#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <boost/system/error_code.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/connection.h"

namespace belfry::cli {

// One connection to a server, with TLS where its address says https. A stream for Beast, with a
// deadline as beast::tcp_stream has it. Not thread-safe.
class ClientStream {
 public:
  using next_layer_type = boost::beast::tcp_stream;
  using executor_type = next_layer_type::executor_type;

  // Both must outlive it.
  ClientStream(boost::asio::io_context& context, const Connection& connection)
      : context_(context), connection_(connection), tcp_(context) {}
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  // Connects, and with TLS makes sure that the peer is the server that the address names. The
  // deadline stays set. Unavailable, with what to do about it, when the server cannot be reached or
  // trusted; PermissionDenied when it wants a client's certificate; DeadlineExceeded.
  absl::Status Connect(absl::Duration timeout);

  // The error of a connection that was made and brought no answer, as one sentence. Unavailable:
  // the peer ended it, or what it sent is not HTTP; PermissionDenied as above: nothing that was
  // sent has been looked at.
  absl::Status Unanswered(const boost::system::error_code& error) const;

  executor_type get_executor() { return tcp_.get_executor(); }
  next_layer_type& next_layer() { return tcp_; }
  const next_layer_type& next_layer() const { return tcp_; }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      tcp_.async_read_some(buffers, std::forward<Handler>(handler));
    }
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_write_some(buffers, std::forward<Handler>(handler));
    } else {
      tcp_.async_write_some(buffers, std::forward<Handler>(handler));
    }
  }

 private:
  absl::Status StartTls();
  absl::Status HandshakeFailed(const boost::system::error_code& error) const;
  absl::Status Untrusted(long why) const;
  bool HasCertificate() const;
  bool RefusesCertificate(const boost::system::error_code& error) const;
  absl::Status CertificateRefused(const boost::system::error_code& error) const;
  // What the peer's certificate must be for.
  std::string PeerName() const;

  boost::asio::io_context& context_;
  const Connection& connection_;
  boost::beast::tcp_stream tcp_;
  std::optional<boost::asio::ssl::stream<boost::beast::tcp_stream&>> tls_;
  ssl_st* ssl_ = nullptr;  // That of tls_.
  // The server has asked for a certificate of the client.
  bool asked_for_certificate_ = false;
  // Whom the peer's certificate is for, when that is not the server.
  std::string names_of_another_;
};

// How Beast ends a WebSocket's connection. TLS needs no end of its own: the close frames were one.
template <typename Handler>
void async_teardown(boost::beast::role_type role, ClientStream& stream, Handler&& handler) {
  async_teardown(role, stream.next_layer(), std::forward<Handler>(handler));
}

// "the server at 127.0.0.1:8200 did not answer within 30s".
absl::Status TimedOut(const Connection& connection, absl::Duration timeout);

}  // namespace belfry::cli
