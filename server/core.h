#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "server/api/api.h"
#include "server/storage/physical_storage.h"

namespace belfry {

struct CoreConfig {
  std::string root_token;
  std::vector<std::string> plugin_directories;
  std::string guard_program;  // As in HostConfig.
  absl::Duration periodic_interval = absl::Minutes(1);
  std::string version;  // As in HostConfig.
};

// What a core uses of the process; everything must outlive it.
struct CoreEnvironment {
  storage::PhysicalStorage* storage = nullptr;
  const Clock* clock = nullptr;
  Scheduler* scheduler = nullptr;
  Metrics* metrics = nullptr;
  Limits limits;
  Logger logger;  // The rooms' names are appended.
};

// The unsealed life of a server: stores, mounts, leases, plugins and the bus over a storage. It is
// started, serves its Api, and is torn down, which deletes nothing of what is stored.
class Core {
 public:
  // Opens the stores, starts the plugins of the mounts that are stored, and mounts secret/ where it
  // is not yet. Otherwise one sentence that says what to do, and nothing is left running.
  static absl::StatusOr<std::unique_ptr<Core>> Start(CoreConfig config,
                                                     CoreEnvironment environment);
  // Stops first, unless that has been done. Everybody who used the Api has to be done with it.
  virtual ~Core() = default;

  // Lives as long as the core.
  virtual api::Api* Api() = 0;

  // The end is near: from now on no plugin may hold it up for longer than
  // Limits::server_stop_timeout.
  virtual void BeginStop() = 0;
  // Stops what works by itself, then the mounts: requests under way end, and no other plugin
  // process is left. Call once, and from none of its threads.
  virtual void Stop() = 0;
};

}  // namespace belfry
