#pragma once

#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "server/api/api.h"
#include "server/http/connections.h"

namespace belfry::http {

// What every session needs; outlives them all.
struct SessionContext {
  // `bounds`: of the connections that clients may have open.
  SessionContext(api::Api* api, const Clock* clock, Limits limits, Connections::Bounds bounds,
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
