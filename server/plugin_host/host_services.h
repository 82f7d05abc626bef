#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "sdk/wire/credentials.h"
#include "server/plugin_host/mount_services.h"

namespace belfry::plugin_host {

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
  // From now on it may not; returns when no write is under way.
  virtual void ForbidWrites() = 0;
};

}  // namespace belfry::plugin_host
