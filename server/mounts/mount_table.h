#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "base/logging.h"
#include "server/mounts/engine.h"
#include "server/mounts/mount_entry.h"
#include "server/storage/storage.h"

namespace belfry::mounts {

// Starts engines. Thread-safe; Create may block for as long as a plugin may take to start.
class EngineFactory {
 public:
  virtual ~EngineFactory() = default;
  // `view` is the mount's own storage and outlives the engine. NotFound "plugin not found in the
  // catalog: <type>" when there is no such plugin; Unavailable, with one clear sentence, when it
  // does not start.
  virtual absl::StatusOr<std::unique_ptr<Engine>> Create(const MountEntry& entry,
                                                         storage::Storage* view) = 0;
  // From now on no engine joins a process of this plugin that runs already: a restart or a new
  // mount gets a fresh one.
  virtual void RetireProcesses(std::string_view type) = 0;
};

// A mount that is in service, as it was when it was found. Immutable. Shared: whoever holds it
// keeps the engine and its data alive, even if the mount has been disabled meanwhile.
struct Mount {
  MountEntry entry;
  Engine* engine = nullptr;  // Null for the host's own mounts (sys/ …).
};

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

// Which mount answers a request, and the rest of the path.
struct Route {
  std::shared_ptr<const Mount> mount;
  std::string path;
};

// What is to be done with a mount that has been taken out of service, while its engine still runs.
// May block. After an error the mount goes back into service.
using BeforeStop = absl::AnyInvocable<absl::Status(const Mount&) const>;

// Path → Engine. Paths are clean, as IsCleanPath says; the '/' at the end of a mount's may be left
// out. Thread-safe: Find and List never wait for a plugin; the others may, but not for
// another mount's.
class MountTable {
 public:
  // `storage` and `factory` must outlive the table. Mounts keep their data below "logical/<uuid>/".
  static std::unique_ptr<MountTable> Create(storage::Storage* storage, EngineFactory* factory,
                                            Logger logger, BeforeStop before_stop = nullptr,
                                            const Limits& limits = {});
  virtual ~MountTable() = default;

  // Fills in uuid, accessor and the rest, starts the engine and puts it in service. AlreadyExists
  // "path is already in use at x/" (the same path, one above or one below); InvalidArgument for a
  // protected path ("cannot mount \"sys/x/\""); else what the factory said.
  virtual absl::Status Enable(MountEntry entry) = 0;
  // Takes it out of service, waits for requests under way, stops the engine and deletes its data.
  // An engine that does not answer is killed. OK when there was none; InvalidArgument for sys/ and
  // its like; what BeforeStop said, and then nothing has changed.
  virtual absl::Status Disable(std::string_view path) = 0;
  // Applies the changes, sets the engine up again when it is concerned, and returns warnings for
  // whoever asked. NotFound when there is no such mount; InvalidArgument "cannot downgrade mount
  // from version 2" and the like; else what Engine::Restart said, and then nothing has changed.
  virtual absl::StatusOr<std::vector<std::string>> Tune(std::string_view path,
                                                        const MountTuning& tuning) = 0;
  // Sets the engine up again, in a fresh process. NotFound when there is no such mount.
  virtual absl::Status Reload(std::string_view path) = 0;
  // The same for every mount of a plugin; they share the fresh process. How many there were, or
  // what the first that failed said; the others are reloaded all the same.
  virtual absl::StatusOr<int> ReloadPlugin(std::string_view type) = 0;
  // The mount whose path is a prefix of `path` (no leading '/'); "secret" finds "secret/".
  virtual std::optional<Route> Find(std::string_view path) const = 0;
  // The server is ending: takes every engine's mount out of service, waits for requests under way
  // and stops the engines, all side by side; what they have stored stays. Nothing is mounted from
  // now on.
  virtual void Stop() = 0;
  // In order of path, the host's own included.
  virtual std::vector<std::shared_ptr<const Mount>> List() const = 0;
};

}  // namespace belfry::mounts
