#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "server/api/api.h"
#include "server/http/tls_options.h"

namespace belfry::http {

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8200;  // 0: any free one.
  int threads = 2;
  // How long the end waits for requests under way and for subscribers to take their leave.
  absl::Duration shutdown_grace = absl::Seconds(3);
  Limits limits;
  // For the Date of every answer and for all delays; must outlive the server. Null: the machine's
  // clock, and a scheduler of its own.
  const Clock* clock = nullptr;
  Scheduler* scheduler = nullptr;
  // Without it: in plain text.
  std::optional<TlsOptions> tls = std::nullopt;
};

// Listens, speaks HTTP/1.1 and WebSocket, and asks the Api. Thread-safe.
class Server {
 public:
  // Listens and serves from now on. Unavailable, with the address and the reason, when it cannot
  // listen; the errors of TlsContext::Load when it cannot speak TLS. The pointers must outlive it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options, api::Api* api,
                                                       Metrics* metrics, Logger logger);
  // Closes every WebSocket with 1001, lets requests under way finish for a moment, and stops.
  virtual ~Server() = default;
  virtual std::uint16_t Port() const = 0;
  // Reads the files of Options::tls again, for new connections; subscribers and all others that are
  // connected keep what they have. On failure, as of Start, nothing changes. OK without TLS. Reads
  // files.
  virtual absl::Status ReloadCertificates() = 0;
};

}  // namespace belfry::http
