#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "sdk/wire/credentials.h"
#include "server/base/clock.h"
#include "server/base/limits.h"
#include "server/base/logging.h"
#include "server/base/metrics.h"
#include "server/bus/bus.h"
#include "server/mounts/mount_table.h"
#include "server/storage/storage.h"

namespace belfry::plugin_host {

// What one mount of one plugin process may use of the host. The pointers must outlive HostServices.
struct MountServices {
  logical::EventPluginInfo plugin_info;
  storage::Storage* storage = nullptr;  // Null while a plugin is registered: its calls fail.
  bus::Publisher* publisher = nullptr;
  const Clock* clock = nullptr;
  Metrics* metrics = nullptr;
  Logger logger;
  Limits limits;
  bool local = false;
  bool caching_disabled = false;
  absl::Duration default_lease_ttl;
  absl::Duration max_lease_ttl;
  std::string vault_version;
};

// A listener of its own for one mount, which serves storage, system view, events and observations
// to its plugin. Whoever calls here is that mount: nobody else was told of the socket or holds the
// certificate. (plugin-protocol 3.1, 5.8-5.10) Thread-safe. Destroying it ends calls under way and
// removes the socket.
class HostServices {
 public:
  // Listens on a unix socket at `path`. Unavailable when it cannot. Storage is read-only at first.
  static absl::StatusOr<std::unique_ptr<HostServices>> Start(
      const std::string& path, const std::optional<wire::Trust>& trust, MountServices services);
  virtual ~HostServices() = default;
  // Setup is over: from now on the plugin may write.
  virtual void AllowWrites() = 0;
};

}  // namespace belfry::plugin_host
