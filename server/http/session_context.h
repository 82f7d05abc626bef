#pragma once

#include <chrono>
#include <memory>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log_throttle.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "server/api/api.h"
#include "server/http/byte_budget.h"
#include "server/http/connections.h"

namespace belfry::http {

// How long a session waits for its client before it closes the connection.
struct Timeouts {
  absl::Duration idle = absl::Minutes(5);     // Between two requests.
  absl::Duration header = absl::Seconds(30);  // For the whole of it, as for the next two.
  absl::Duration body = absl::Seconds(90);
  absl::Duration write = absl::Seconds(60);
  // After the last answer, for the client to say something or to end the connection.
  absl::Duration leave = absl::Seconds(2);
  // After a WebSocket's close frame, for the client to answer it; a client that is slow has first
  // to read what is on its way.
  absl::Duration close = absl::Seconds(5);
  absl::Duration slow_close = absl::Seconds(30);
};

// What every session needs; outlives them all.
struct SessionContext {
  // `bounds`: of the connections that clients may have open.
  SessionContext(api::Api* api, const Clock* clock, Scheduler* scheduler, Limits limits,
                 Connections::Bounds bounds, Metrics& metrics, Logger logger,
                 Timeouts timeouts = {});

  api::Api* const api;
  const Clock* const clock;
  Scheduler* const scheduler;
  const Limits limits;
  const Timeouts timeouts;
  const Logger logger;
  Connections connections;
  // For what clients may send before it is known that its token may use it: headers and the
  // beginning of a body. Apart, so that without a token nobody takes the room of bodies.
  const std::shared_ptr<ByteBudget> unauthorized_bytes;
  const std::shared_ptr<ByteBudget> authorized_bytes;
  // For answers that clients have not taken yet.
  const std::shared_ptr<ByteBudget> answer_bytes;
  Gauge& http_connections;
  Counter& requests_refused;
  Gauge& websocket_sessions;
  Counter& frames_sent;
  Counter& bytes_sent;
  Counter& slow_subscribers;
  Counter& frames_dropped;
  // A client can be too slow as often as it likes.
  LogThrottle slow_subscriber_lines{10, std::chrono::seconds(10)};
};

}  // namespace belfry::http
