#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "server/api/api.h"
#include "server/journal/segment.h"
#include "server/mounts/plugin_catalog.h"
#include "server/process/server_names.h"
#include "server/seal/barrier.h"
#include "server/storage/physical_storage.h"

namespace belfry {

struct CoreConfig {
  bool mount_secret = false;  // As dev mode has it, kv version 2 at secret/.
  std::string api_address;    // As in HostConfig.
  std::vector<std::string> plugin_directories;
  std::vector<mounts::PluginEntry> plugins;  // As in HostConfig.
  std::string guard_program;                 // As in HostConfig.
  absl::Duration periodic_interval = absl::Minutes(1);
  journal::Retention journal;
  std::string cluster_name;  // As in HostConfig.
  std::string version;       // As clients are told it.
};

// What a core uses of the process; everything must outlive it.
struct CoreEnvironment {
  storage::PhysicalStorage* storage = nullptr;
  seal::Barrier* barrier = nullptr;  // What encrypts that storage; for the endpoints about it.
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
  // Does nothing until Start.
  static std::unique_ptr<Core> Create(CoreConfig config, CoreEnvironment environment);
  // Opens the stores and starts the plugins of the mounts that are stored. Otherwise one sentence
  // that says what to do, and the core is only good to be destroyed. Call once, before anything but
  // BeginStop.
  virtual absl::Status Start() = 0;
  // Stops first, unless that has been done. Everybody who used the Api has to be done with it.
  virtual ~Core() = default;

  // Lives as long as the core.
  virtual api::Api* Api() = 0;
  virtual const process::ServerNames& Names() const = 0;
  // The secret of a new token that may do everything and does not expire. Waits for storage.
  virtual absl::StatusOr<std::string> NewRootToken() = 0;
  // The configuration's, in place of those that it has had before.
  virtual void DeclarePlugins(std::vector<mounts::PluginEntry> plugins) = 0;

  // The end is near: from now on no plugin may hold it up for longer than
  // Limits::server_stop_timeout. From any thread, also more than once.
  virtual void BeginStop() = 0;
  // Ends all subscribers, stops what works by itself, then the mounts: requests under way end, and
  // no other plugin process is left. Call once, and from none of its threads.
  virtual void Stop() = 0;
};

// The Vault whose behaviour clients and plugins may count on, with what sets this build apart.
std::string VersionForClients(const std::string& own);

std::string NewRootSecret();
// Each gives a storage that no core uses its first root token, with this secret.
absl::Status StoreRootToken(storage::PhysicalStorage* storage, const Clock* clock,
                            std::string_view secret);
absl::Status StoreDevRootToken(storage::PhysicalStorage* storage, const Clock* clock,
                               std::string_view secret);

}  // namespace belfry
