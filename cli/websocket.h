#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/connection.h"

namespace belfry::cli {

struct WebSocketLimits {
  // How long connecting and the handshake may take, each.
  absl::Duration handshake = absl::Seconds(30);
  // A server of which nothing is heard for this long is pinged; one that lets this time pass once
  // more without any sign of life is lost.
  absl::Duration ping_after = absl::Seconds(30);
};

// The client's end of one WebSocket. One call at a time; not thread-safe.
class WebSocket {
 public:
  // What a server answered instead of "101 Switching Protocols".
  struct Refusal {
    int status = 0;
    std::string location;
    std::string body;
  };

  // Asks for the upgrade at `target` (already encoded). Unavailable when the server cannot be
  // reached or trusted, or ends the connection; PermissionDenied when it wants a client's
  // certificate; DeadlineExceeded when it does not answer in time.
  static absl::StatusOr<std::variant<std::unique_ptr<WebSocket>, Refusal>> Open(
      const Connection& connection, std::string_view target, const WebSocketLimits& limits = {});
  virtual ~WebSocket() = default;

  // Waits for the next message, for as long as it takes while the server answers pings. OutOfRange,
  // with the code and the reason, when the server has closed; Unavailable when the connection
  // broke; DeadlineExceeded when the server is lost (see WebSocketLimits); Cancelled when
  // `stop_when_closed` (a pipe's writing end; -1: none) has lost its reader.
  virtual absl::StatusOr<std::string> Next(int stop_when_closed) = 0;
  // Whether a message has arrived that Next would return at once. Does not wait.
  virtual bool Ready() = 0;
};

}  // namespace belfry::cli
