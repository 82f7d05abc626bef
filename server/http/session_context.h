#pragma once

#include "server/api/api.h"
#include "server/base/limits.h"
#include "server/base/logging.h"
#include "server/base/metrics.h"
#include "server/http/connections.h"

namespace belfry::http {

// What every session needs; outlives them all.
struct SessionContext {
  SessionContext(api::Api* api, Limits limits, Metrics& metrics, Logger logger);

  api::Api* const api;
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
