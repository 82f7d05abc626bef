#include "server/mounts/mount_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/base/gate.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"
#include "server/base/text.h"

namespace belfry::mounts {
namespace {

constexpr std::array<std::string_view, 5> kProtectedPaths = {"auth/", "cubbyhole/", "identity/",
                                                             "sys/", "audit/"};

bool Protected(std::string_view path) {
  return std::any_of(kProtectedPaths.begin(), kProtectedPaths.end(),
                     [path](std::string_view own) { return path.starts_with(own); });
}

// "/a/b" → "a/b/"
std::string Normalised(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.empty() ? std::string() : Concat({path, "/"});
}

std::string DataPrefix(const MountEntry& entry) {
  return Concat({"logical/", entry.uuid, "/"});
}

// Vault's aliases: kv-v1, kv-v2 and generic are all the plugin kv, which has a version in any case.
void ResolveType(MountEntry& entry) {
  if (entry.type == "kv-v1" || entry.type == "kv-v2") {
    entry.options["version"] = entry.type.substr(4);
    entry.type = "kv";
  } else if (entry.type == "generic") {
    entry.type = "kv";
  }
  if (entry.type == "kv") entry.options.emplace("version", "1");
}

// A mount in service and those who are using it.
struct Served {
  Mount mount;
  Gate users;
};

// Ordered by path. Replaced as a whole, never changed.
using Table = std::map<std::string, std::shared_ptr<Served>, std::less<>>;

// A use of the mount that ends with the last copy of the pointer.
std::shared_ptr<const Mount> Use(const std::shared_ptr<Served>& served) {
  served->users.Enter();
  return {&served->mount, [served](const Mount*) { served->users.Leave(); }};
}

class MountTableImpl final : public MountTable {
 public:
  MountTableImpl(storage::Storage* storage, EngineFactory* factory, Logger logger)
      : storage_(storage), factory_(factory), logger_(std::move(logger)) {
    AddOwn("cubbyhole/", "cubbyhole", "per-token private secret storage");
    AddOwn("identity/", "identity", "identity store");
    AddOwn("sys/", "system", "system endpoints used for control, policy and debugging");
  }

  absl::Status Enable(MountEntry entry) override {
    entry.path = Normalised(entry.path);
    if (entry.path.empty())
      return absl::InvalidArgumentError(
          "missing mount path: say where to mount, for example secret/");
    if (entry.path.find("//") != std::string::npos || entry.path.find('*') != std::string::npos) {
      return absl::InvalidArgumentError(
          Concat({"cannot mount at \"", entry.path, "\": a path has no empty segment and no '*'"}));
    }
    if (Protected(entry.path))
      return absl::InvalidArgumentError(Concat({"cannot mount \"", entry.path, "\""}));
    MutexLock one_at_a_time(&change_mutex_);
    if (const std::optional<std::string> other = Conflict(entry.path)) {
      return absl::AlreadyExistsError(Concat({"path is already in use at ", *other}));
    }
    return Start(std::move(entry));
  }

  absl::Status Disable(std::string_view path) override {
    const std::string mount_path = Normalised(path);
    if (Protected(mount_path))
      return absl::InvalidArgumentError(Concat({"cannot unmount \"", mount_path, "\""}));
    MutexLock one_at_a_time(&change_mutex_);
    const std::shared_ptr<Served> served = Remove(mount_path);
    if (served == nullptr) return absl::OkStatus();
    // Requests under way may still write: the data goes when they have ended and the engine is
    // gone.
    served->users.WaitUntilEmpty();
    served->mount.engine.reset();
    const absl::Status deleted = storage::DeleteAll(*storage_, DataPrefix(served->mount.entry));
    logger_.Info("disabled a mount", {{"path", mount_path}});
    return deleted;
  }

  std::optional<Route> Find(std::string_view path) const override {
    // Found and entered in one step: Disable waits for whoever entered before it took the mount
    // out.
    MutexLock lock(&table_mutex_);
    // From the whole path to its first segment: the longest mount wins.
    const std::string with_slash = path.ends_with('/') ? std::string(path) : Concat({path, "/"});
    for (std::size_t end = with_slash.size(); end != 0; end = with_slash.rfind('/', end - 2) + 1) {
      const auto it = table_->find(std::string_view(with_slash).substr(0, end));
      if (it != table_->end())
        return Route{Use(it->second), std::string(path.substr(std::min(end, path.size())))};
      if (end < 2) break;
    }
    return std::nullopt;
  }

  std::vector<std::shared_ptr<const Mount>> List() const override {
    std::vector<std::shared_ptr<const Mount>> mounts;
    MutexLock lock(&table_mutex_);
    for (const auto& [path, served] : *table_) mounts.push_back(Use(served));
    return mounts;
  }

 private:
  void AddOwn(std::string path, std::string type, std::string description) {
    auto served = std::make_shared<Served>();
    MountEntry& entry = served->mount.entry;
    entry.path = std::move(path);
    entry.accessor = NewMountAccessor(type);
    entry.uuid = NewUuid();
    entry.local = type == "cubbyhole";
    entry.seal_wrap = type == "system";
    entry.type = std::move(type);
    entry.description = std::move(description);
    Put(std::move(served));
  }

  // The mount that is at `path`, above it or below it.
  std::optional<std::string> Conflict(std::string_view path) const {
    for (const auto& [other, served] : *Current()) {
      if (path.starts_with(other) || std::string_view(other).starts_with(path)) return other;
    }
    return std::nullopt;
  }

  absl::Status Start(MountEntry entry) {
    ResolveType(entry);
    entry.uuid = NewUuid();
    entry.backend_uuid = NewUuid();
    entry.accessor = NewMountAccessor(entry.type);
    auto served = std::make_shared<Served>();
    served->mount.view = storage::NewView(storage_, DataPrefix(entry));
    absl::StatusOr<std::unique_ptr<Engine>> engine =
        factory_->Create(entry, served->mount.view.get());
    if (!engine.ok()) {
      // What it wrote before it failed belongs to nobody.
      const absl::Status deleted = storage::DeleteAll(*storage_, DataPrefix(entry));
      if (!deleted.ok()) {
        logger_.Warn("could not delete what an engine that failed to start has left",
                     {{"path", entry.path}, {"error", std::string(deleted.message())}});
      }
      return engine.status();
    }
    logger_.Info("enabled a mount", {{"path", entry.path}, {"type", entry.type}});
    served->mount.engine = *std::move(engine);
    served->mount.entry = std::move(entry);
    Put(std::move(served));
    return absl::OkStatus();
  }

  std::shared_ptr<const Table> Current() const {
    MutexLock lock(&table_mutex_);
    return table_;
  }

  void Put(std::shared_ptr<Served> served) {
    MutexLock lock(&table_mutex_);
    auto table = std::make_shared<Table>(*table_);
    std::string path = served->mount.entry.path;
    table->emplace(std::move(path), std::move(served));
    table_ = std::move(table);
  }

  std::shared_ptr<Served> Remove(std::string_view path) {
    MutexLock lock(&table_mutex_);
    const auto it = table_->find(path);
    if (it == table_->end()) return nullptr;
    std::shared_ptr<Served> removed = it->second;
    auto table = std::make_shared<Table>(*table_);
    table->erase(std::string(path));
    table_ = std::move(table);
    return removed;
  }

  storage::Storage* const storage_;
  EngineFactory* const factory_;
  const Logger logger_;
  Mutex change_mutex_;  // Held while an engine starts or stops.
  mutable Mutex table_mutex_;
  // Shared: a request keeps the table it began with while it looks.
  std::shared_ptr<const Table> table_ ABSL_GUARDED_BY(table_mutex_) = std::make_shared<Table>();
};

}  // namespace

std::unique_ptr<MountTable> MountTable::Create(storage::Storage* storage, EngineFactory* factory,
                                               Logger logger) {
  return std::make_unique<MountTableImpl>(storage, factory, std::move(logger));
}

}  // namespace belfry::mounts
