#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/logging.h"
#include "server/mounts/engine.h"
#include "server/storage/storage.h"

namespace belfry::mounts {

// What an operator asked for when mounting, and what the host has named it.
struct MountEntry {
  std::string path;  // "secret/"
  std::string type;  // "kv"
  std::string description;
  std::string uuid;
  std::string backend_uuid;  // Given to the plugin, which keeps its keys below it.
  std::string accessor;
  std::map<std::string, std::string> options;
  bool local = false;
  bool seal_wrap = false;
  bool external_entropy_access = false;
  bool force_no_cache = false;
  absl::Duration default_lease_ttl;  // Zero: the system's.
  absl::Duration max_lease_ttl;      // Zero: the system's.
  std::string plugin_version;
};

// Starts engines. Thread-safe; Create may block for as long as a plugin may take to start.
class EngineFactory {
 public:
  virtual ~EngineFactory() = default;
  // `view` is the mount's own storage and outlives the engine. NotFound "plugin not found in the
  // catalog: <type>" when there is no such plugin; Unavailable, with one clear sentence, when it
  // does not start.
  virtual absl::StatusOr<std::unique_ptr<Engine>> Create(const MountEntry& entry,
                                                         storage::Storage* view) = 0;
};

// A mount that is in service. Immutable. Shared: a request under way keeps a mount alive that has
// been disabled meanwhile.
struct Mount {
  MountEntry entry;
  std::unique_ptr<storage::Storage> view;
  std::unique_ptr<Engine> engine;  // Null for the host's own mounts (sys/ …).
};

// Which mount answers a request, and the rest of the path.
struct Route {
  std::shared_ptr<const Mount> mount;
  std::string path;
};

// Path → Engine. Thread-safe: Find and List never wait for a plugin; Enable and Disable may, and
// run one at a time.
class MountTable {
 public:
  // `storage` and `factory` must outlive the table. Mounts keep their data below "logical/<uuid>/".
  static std::unique_ptr<MountTable> Create(storage::Storage* storage, EngineFactory* factory,
                                            Logger logger);
  virtual ~MountTable() = default;

  // Fills in uuid, accessor and the rest, starts the engine and puts it in service. AlreadyExists
  // "path is already in use at x/" (the same path, one above or one below); InvalidArgument for a
  // protected path ("cannot mount \"sys/x/\""); else what the factory said.
  virtual absl::Status Enable(MountEntry entry) = 0;
  // Takes it out of service, stops the engine and deletes its data. OK when there was none;
  // InvalidArgument for sys/ and its like.
  virtual absl::Status Disable(std::string_view path) = 0;
  // The mount whose path is a prefix of `path` (no leading '/'); "secret" finds "secret/".
  virtual std::optional<Route> Find(std::string_view path) const = 0;
  // In order of path, the host's own included.
  virtual std::vector<std::shared_ptr<const Mount>> List() const = 0;
};

}  // namespace belfry::mounts
