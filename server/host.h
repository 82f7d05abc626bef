#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/host_config.h"

namespace belfry {

// The whole server, composed: config → objects → run → orderly shutdown.
class Host {
 public:
  // Starts everything; from its return on, requests are answered. Otherwise one sentence that says
  // what to do.
  static absl::StatusOr<std::unique_ptr<Host>> Start(HostConfig config);
  // Stops everything in the reverse order; no plugin and no socket file stays behind.
  virtual ~Host() = default;
  // Of the listener with this index.
  virtual std::uint16_t Port(std::size_t listener = 0) const = 0;
  // Of dev mode, what unseals it again after it has been sealed; else empty.
  virtual std::string DevUnsealKey() const = 0;
  // Notes in the log what the process does at a signal, by its name. From any thread.
  virtual void LogSignal(std::string_view what, std::string_view signal) = 0;
  // Reopens the log file, reads certificates again, takes over the log level and declared plugins,
  // and logs the keys whose change needs a restart; or logs why there is no configuration, and all
  // stays as it is. One call at a time.
  virtual void Reload(const absl::StatusOr<HostConfig>& config) = 0;
};

}  // namespace belfry
