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
#include "base/limits.h"
#include "base/logging.h"
#include "server/mounts/engine_factory.h"
#include "server/mounts/lease_manager.h"
#include "server/mounts/mount_entry.h"
#include "server/mounts/mount_moves.h"
#include "server/mounts/router.h"
#include "server/storage/storage.h"

namespace belfry::mounts {

// What to change of a mount; what is absent stays as it is.
struct MountTuning {
  std::optional<std::string> description;
  std::optional<absl::Duration> default_lease_ttl;
  std::optional<absl::Duration> max_lease_ttl;
  std::optional<bool> force_no_cache;
  std::optional<std::string> plugin_version;
  // Set one by one; an empty value removes the option.
  std::map<std::string, std::string> options;
};

// Mounts, tunes, reloads and unmounts: owns the engines, and tells the router who serves what. It
// alone changes the router. The '/' at the end of a mount's path may be left out. Thread-safe; all
// may wait for a plugin, but not for another mount's.
class MountManager {
 public:
  // All pointers must outlive the manager.
  struct Dependencies {
    MountRouter* router = nullptr;
    LeaseManager* leases = nullptr;
    // Mounts keep their data below "logical/<uuid>/", and the table of them is "sys/mount/".
    storage::Storage* storage = nullptr;
    EngineFactory* factory = nullptr;
    Limits limits;
    Logger logger;
  };
  static std::unique_ptr<MountManager> Create(Dependencies dependencies);
  // Puts the host's own mounts (sys/ …) into the router, and those that are stored: with the names
  // and the data that they had. One whose engine does not start is in service all the same, and
  // answers Unavailable with the reason until it is reloaded. What was being enabled or disabled
  // when an earlier host ended is deleted. What storage said when that failed. Call once, before
  // anything else.
  virtual absl::Status Start() = 0;
  // Stop comes first, if anybody may still use a mount that has an engine.
  virtual ~MountManager() = default;

  // Fills in uuid, accessor and the rest, starts the engine and puts it in service. AlreadyExists
  // "path is already in use at x/" (the same path, one above or one below); InvalidArgument for a
  // path that is not for mounts of its class ("cannot mount \"sys/x/\""); Aborted when the server
  // is stopping; else what the factory or storage said.
  virtual absl::Status Enable(MountEntry entry) = 0;
  // Takes it out of service, waits for requests under way, revokes its leases, stops the engine and
  // deletes its data. An engine that does not answer is killed. OK when there was none; Aborted
  // while it is being enabled, moved or disabled;
  // InvalidArgument for sys/ and its like and for a path that is not for mounts of this class; what
  // LeaseManager::RevokeAllOf or storage said, and then the mount is in service as before, unless
  // it is its data that cannot be deleted: that is done by the next start.
  virtual absl::Status Disable(MountClass mount_class, std::string_view path) = 0;
  // Applies the changes, sets the engine up again when it is concerned, and returns warnings for
  // the caller. NotFound when there is no such mount; InvalidArgument "cannot downgrade mount
  // from version 2" and the like; else what Engine::Restart or storage said, and then nothing has
  // changed.
  virtual absl::StatusOr<std::vector<std::string>> Tune(std::string_view path,
                                                        const MountTuning& tuning) = 0;
  // The mount at `from` is at `to` from now on, with its data, uuid and accessor. Meanwhile it is
  // at neither: requests under way end, its leases are revoked, and the engine is set up again,
  // which tells it where it is. The id by which FindMove knows the move. NotFound when nothing is
  // mounted at `from`; Aborted while that is being changed; AlreadyExists when something is at,
  // above or below `to`; InvalidArgument for the host's own mounts and for a path that is not for
  // mounts of this class; what LeaseManager::RevokeAllOf, Engine::Restart or storage said, and then
  // it is at `from` as before.
  virtual absl::StatusOr<std::string> Move(std::string_view from, std::string_view to) = 0;
  // A move that has succeeded. nullopt also for those of an earlier process.
  virtual std::optional<MountMove> FindMove(std::string_view id) const = 0;
  // Sets the engine up again, in a fresh process. NotFound when there is no such mount.
  virtual absl::Status Reload(std::string_view path) = 0;
  // The same for every mount of a plugin; they share the fresh process. How many there were; or
  // the code of the first that failed, with what each that failed said. The others are reloaded all
  // the same.
  virtual absl::StatusOr<int> ReloadPlugin(std::string_view type) = 0;
  // The server is ending: takes every engine's mount out of service, waits for requests under way
  // and stops the engines, all side by side; what they have stored stays. Nothing is mounted from
  // now on.
  virtual void Stop() = 0;
};

}  // namespace belfry::mounts
