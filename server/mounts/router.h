#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/mounts/engine.h"
#include "server/mounts/mount_entry.h"

namespace belfry::mounts {

// A mount in service, as it was when it was found. Immutable. While a copy of the pointer that it
// came with exists the mount is in use, and its engine and its data stay.
struct Mount {
  MountEntry entry;
  Engine* engine = nullptr;  // Null for the host's own mounts (sys/ …).
};

// Which mount answers a request, and the rest of the path.
struct Route {
  std::shared_ptr<const Mount> mount;
  std::string path;
};

// Path → mount, and who uses it. Paths are clean, as IsCleanPath says, and those of mounts end in
// '/'. Owns no engine: the caller that adds one keeps it until its mount has been removed and is
// not in use any more. Thread-safe; nothing waits but Removed::AwaitUsers.
class MountRouter {
 private:
  struct Served;

 public:
  MountRouter() = default;
  MountRouter(const MountRouter&) = delete;
  MountRouter& operator=(const MountRouter&) = delete;

  // The mount whose path is a prefix of `path` (no leading '/'); the longest wins, and "secret"
  // finds "secret/". Found and entered in one step: a caller that removes it can wait for
  // those that found it.
  std::optional<Route> Find(std::string_view path) const;
  // The one at this very path; null when there is none.
  std::shared_ptr<const Mount> At(std::string_view path) const;
  // Whether a mount is on its way from or to a path at or above this one, which Find does not find.
  bool IsMoving(std::string_view path) const;
  // Whether this very path is kept for a mount that comes or goes.
  bool IsReserved(std::string_view path) const;
  // In order of path, the host's own included.
  std::vector<std::shared_ptr<const Mount>> List() const;

  // What follows is for the mount manager, and says nothing about whether a path may be mounted.

  // A mount that has been taken out of service: nobody finds it any more. Does not end its use.
  class Removed {
   public:
    const Mount& mount() const;
    // Returns when it is not in use any more; false when it still is after `limit`.
    bool AwaitUsers(absl::Duration limit) const;

   private:
    friend class MountRouter;
    explicit Removed(std::shared_ptr<const Served> served) : served_(std::move(served)) {}
    std::shared_ptr<const Served> served_;
  };

  // Keeps `path` for a mount that comes, until Add or Release; unless one is at it, above it or
  // below it: then that one's path.
  std::optional<std::string> Reserve(const std::string& path);
  void Release(const std::string& path);
  // Puts a mount in service. `engine` may be null. False, and nothing has changed, after Close.
  bool Add(MountEntry entry, Engine* engine);
  // From now on the mount with this uuid is found with this entry, whose path is the same; also
  // when it has been removed meanwhile and is put back. Ignored when it has gone.
  void Replace(MountEntry entry);
  // The entry of a mount that is in use, after every Replace.
  MountEntry Latest(const Mount& in_use);
  // Its path stays reserved, until Release or PutBack. nullopt when there is none.
  std::optional<Removed> Remove(const std::string& path);
  // What has been removed from there is in service again; false, and it stays out, after Close.
  bool PutBack(const std::string& path);
  // From now on, until EndMove, requests to either path are told to try again (see IsMoving).
  void BeginMove(const std::string& source, const std::string& target);
  void EndMove(const std::string& source, const std::string& target);
  // Removes every mount that has an engine; none is added from now on.
  std::vector<Removed> Close();

 private:
  using Table = std::map<std::string, std::shared_ptr<const Served>, std::less<>>;

  // Where a mount is kept, in service or removed; null when it has gone.
  std::shared_ptr<const Served>* PlaceOf(const MountEntry& entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static std::shared_ptr<const Mount> Use(const std::shared_ptr<const Served>& served);

  mutable Mutex mutex_;
  Table served_ ABSL_GUARDED_BY(mutex_);
  // Paths of mounts that come (null) or go.
  Table reserved_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> moving_ ABSL_GUARDED_BY(mutex_);  // Of the reserved ones.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::mounts
