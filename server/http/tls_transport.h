#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/log_throttle.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "server/http/handshake_turns.h"
#include "server/http/tls_context.h"
#include "server/http/transport.h"

namespace belfry::http {

// What the TLS connections of one listener share. Must outlive them and their io_context.
// Thread-safe.
struct TlsListener {
  // `turns`, which all listeners of a server have together, must outlive it, and are to be closed
  // before the io_context goes.
  TlsListener(std::unique_ptr<TlsContext> context, HandshakeTurns* turns, Metrics& metrics,
              Logger logger);

  const std::unique_ptr<TlsContext> context;
  HandshakeTurns* const turns;
  Counter& failed_handshakes;
  const Logger logger;
  // A client can fail as often as it likes.
  LogThrottle failure_lines{10, std::chrono::seconds(10)};
  // After so many a connection of TLS 1.3 encrypts with a new key. AES-GCM is well within what is
  // known to be safe then (RFC 8446, 5.5); a busy subscriber gets there in a day.
  std::uint64_t max_records_per_key = std::uint64_t{1} << 23;
};

// The server's end of a TLS connection over another transport.
//
// The handshake begins with the first ReadSome or AwaitWritable; until it is done WriteSome takes
// nothing. One that fails ends the connection, after an alert that says why, is counted, and
// written to the log at level debug. A client that speaks plain HTTP is told so in the clear.
//
// What one WriteSome is given leaves in records of 16 KiB, whatever its pieces are. At most 128
// KiB that it has taken wait here while the transport below has no room, beside what that may hold
// itself; a connection that is idle has no buffer but that for what comes next, of 1 KiB for a
// WebSocket.
//
// A peer that ends without a close_notify has been cut off, by whomever: ReadSome ends with
// connection_aborted, not with eof. What breaks the protocol is protocol_error.
class TlsTransport final : public Transport {
 public:
  TlsTransport(std::unique_ptr<Transport> below, TlsListener* listener);
  ~TlsTransport() override;

  Strand strand() override;
  std::string PeerAddress() const override;
  void ReadSome(boost::asio::mutable_buffer buffer, ReadHandler done) override;
  std::optional<std::size_t> WriteSome(std::span<const iovec> pieces) override;
  void AwaitWritable(WaitHandler done) override;
  // What waits here counts as not having left.
  void LimitUnsent(std::size_t bytes) override;
  // Sends a close_notify, and then ends the transport below.
  void ShutdownSend() override;
  void Close() override;

 private:
  class Connection;

  // Shared with operations of the transport below, which end some time after it has been closed.
  const std::shared_ptr<Connection> connection_;
};

}  // namespace belfry::http
