#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/connection.h"
#include "cli/websocket.h"

namespace belfry::cli {

// What to ask the server's subscribe endpoint for.
struct Subscription {
  std::string type;
  std::string filter;
  std::vector<std::string> namespaces;
  // Where to begin: "earliest", "latest" or a cursor; each message then has a cursor. Empty: with
  // the next event, and without cursors.
  std::string after;
};

// Opens the stream, at whatever path the server redirects to. Errors are those of WebSocket::Open;
// Aborted when the server refuses for now (429 or 5xx); NotFound when it has no events endpoint;
// FailedPrecondition for each other refusal.
absl::StatusOr<std::unique_ptr<WebSocket>> OpenSubscription(const Connection& connection,
                                                            const Subscription& wanted,
                                                            absl::Duration ping_after);

// Whether the server cannot be reached or has been lost, with or without a stream.
bool IsServerLost(const absl::Status& status);

}  // namespace belfry::cli
