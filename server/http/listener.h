#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "base/log_throttle.h"
#include "server/http/listen_options.h"
#include "server/http/session_context.h"
#include "server/http/strand.h"
#include "server/http/tcp_transport.h"
#include "server/http/tls_transport.h"
#include "server/http/transport.h"

namespace belfry::http {

// One address at which clients connect, in plain text or with TLS: begins a session for each
// connection. What sessions share, and the bounds of connections, are the context's, which all
// listeners have together.
class Listener final {
 public:
  // All must outlive it, and no thread may run `io` any more when it goes. `tls` is null without
  // TLS.
  Listener(boost::asio::io_context& io, SessionContext* context, ListenOptions options,
           TlsListener* tls);

  // Takes the address; accepts nothing yet. Unavailable, with the address and the reason.
  absl::Status Open();
  // Thread-safe, as the next one.
  void StartAccepting();
  void StopAccepting();

  std::uint16_t port() const { return port_; }

 private:
  void Accept();
  // What waits besides, up to the bound of a turn and while nobody has to make room for it.
  boost::system::error_code AcceptMore();
  void Begin(Socket socket);
  std::unique_ptr<Transport> NewTransport(Socket socket);
  void OnAcceptError(boost::system::error_code error);
  void Warn(LogThrottle& lines, std::string_view what);

  boost::asio::io_context& io_;
  SessionContext* const context_;
  const ListenOptions options_;
  TlsListener* const tls_;
  const Strand strand_;
  // On the strand, as all that follows but the port.
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, Strand> acceptor_;
  boost::asio::steady_timer retry_timer_;
  bool closing_ = false;
  // What happens in floods is said once a minute.
  LogThrottle refusal_lines_{1, std::chrono::minutes(1)};
  LogThrottle accept_error_lines_{1, std::chrono::minutes(1)};
  std::uint16_t port_ = 0;
};

}  // namespace belfry::http
