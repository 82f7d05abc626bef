#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "server/mounts/engine_factory.h"
#include "server/mounts/plugin_catalog.h"

namespace belfry::plugin_host {

struct Options {
  // Folders whose executable files are registered at the start: "belfry-kv" is the plugin `kv`, any
  // other file its own name. The first folder wins. Later registrations name files in them.
  std::vector<std::string> plugin_directories;
  // Where the sockets of this host and its plugins live; made with mode 0700 and removed at the
  // end.
  std::string socket_directory;
  // The program that cleans up after a killed host; empty: belfry-plugin-guard beside the running
  // program.
  std::string guard_program;
  // What plugins see in VAULT_VERSION.
  std::string vault_version;
  Limits limits;
};

// Starts plugins as processes of their own, speaks the plugin protocol with them and serves
// storage, system view and events back to them. Thread-safe. Destroying it stops every plugin;
// engines it made must be gone by then.
class PluginHost : public mounts::EngineFactory, public mounts::PluginCatalog {
 public:
  // The server is ending: from now on nothing starts, also after a crash; what does not answer is
  // killed at once, and after `limit` everything is: whatever waits for a plugin goes on by then.
  // Does not block.
  virtual void BeginStop(absl::Duration limit) = 0;

  // What the configuration declares, in place of what it has declared before. What runs goes on
  // running; the log says what has to be reloaded, and which programs cannot be used.
  virtual void Declare(std::vector<mounts::PluginEntry> plugins) = 0;

  // All pointers must outlive the host. `storage` is where it commits events of its own.
  static absl::StatusOr<std::unique_ptr<PluginHost>> Create(Options options,
                                                            storage::Storage* storage,
                                                            const Clock* clock, Metrics* metrics,
                                                            Logger logger);
};

}  // namespace belfry::plugin_host
