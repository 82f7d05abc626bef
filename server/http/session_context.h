#pragma once

#include <cstddef>

#include "server/api/api.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/base/logging.h"
#include "server/base/metrics.h"
#include "server/http/connections.h"

namespace belfry::http {

// What every session needs; outlives them all.
struct SessionContext {
  // `most_connections`: that clients may have open.
  SessionContext(api::Api* api, const Clock* clock, Limits limits, std::size_t most_connections,
                 Metrics& metrics, Logger logger);

  api::Api* const api;
  const Clock* const clock;
  const Limits limits;
  const Logger logger;
  Connections connections;
  Gauge& http_connections;
  Gauge& websocket_sessions;
  Counter& frames_sent;
  Counter& bytes_sent;
  Counter& slow_subscribers;
  Counter& frames_dropped;
};

}  // namespace belfry::http
