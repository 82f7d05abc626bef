#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "server/api/api.h"
#include "server/http/listen_options.h"

namespace belfry::http {

struct Options {
  // At least one.
  std::vector<ListenOptions> listeners = {ListenOptions()};
  // Of all listeners, as the limits are.
  int threads = 2;
  // How long the end waits for requests under way and for subscribers to take their leave.
  absl::Duration shutdown_grace = absl::Seconds(3);
  Limits limits;
  // For the Date of every answer and for all delays; must outlive the server. Null: the machine's
  // clock, and a scheduler of its own.
  const Clock* clock = nullptr;
  Scheduler* scheduler = nullptr;
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
  // Of the listener with this index.
  virtual std::uint16_t Port(std::size_t listener = 0) const = 0;
  // Reads the files of TlsOptions again, for new connections; subscribers and all others that are
  // connected keep what they have. A listener for which it fails, as at Start, keeps what it has;
  // InvalidArgument with all that failed. OK without TLS. Reads files.
  virtual absl::Status ReloadCertificates() = 0;
  // Makes each thread overwrite its stack below what it uses (base/wiping.h), soon after it
  // returns; until they have all come to it, for 3 s at most, they serve nobody. Thread-safe; waits
  // for nothing.
  virtual void WipeStacks() = 0;
};

}  // namespace belfry::http
