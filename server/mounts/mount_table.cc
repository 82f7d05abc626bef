#include "server/mounts/mount_table.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/executor.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/paths.h"
#include "base/text.h"
#include "base/wait_group.h"

namespace belfry::mounts {
namespace {

constexpr std::array<std::string_view, 5> kProtectedPaths = {"auth/", "cubbyhole/", "identity/",
                                                             "sys/", "audit/"};

// Engines that are stopped at the same time at the server's end.
constexpr std::size_t kThreadsThatStop = 64;

bool Protected(std::string_view path) {
  return std::any_of(kProtectedPaths.begin(), kProtectedPaths.end(),
                     [path](std::string_view own) { return path.starts_with(own); });
}

// "a/b" → "a/b/". Nothing else is changed: callers were authorised for the name that they give.
std::string AsMountPath(std::string_view path) {
  return path.empty() || path.ends_with('/') ? std::string(path) : Concat({path, "/"});
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

// What stays the same for as long as a mount exists. The engine goes before its storage.
struct Running {
  std::unique_ptr<storage::Storage> view;
  std::unique_ptr<Engine> engine;
  WaitGroup users;
  Mutex change;  // Held while the mount is tuned or reloaded.
};

// A mount in service, as it is until it is tuned.
struct Served {
  Mount mount;
  std::shared_ptr<Running> running;  // Shared by what was served before and after a change.
};

// Ordered by path. Replaced as a whole, never changed.
using Table = std::map<std::string, std::shared_ptr<const Served>, std::less<>>;

// A use of the mount that ends with the last copy of the pointer.
std::shared_ptr<const Mount> Use(const std::shared_ptr<const Served>& served) {
  served->running->users.Add();
  return {&served->mount, [served](const Mount*) { served->running->users.Done(); }};
}

bool Overlap(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

bool HasSegment(std::string_view path, std::string_view segment) {
  return Concat({"/", path}).find(Concat({"/", segment, "/"})) != std::string::npos;
}

// Whether something may be mounted there. `path` ends in '/', unless it is empty.
absl::Status CheckMountPath(std::string_view path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(
        "missing mount path: say where to mount, for example secret/");
  }
  if (!IsCleanPath(path)) {
    return absl::InvalidArgumentError(
        Concat({"cannot mount at \"", path,
                "\": a path does not begin with '/' and has no empty segment, no \".\" and no "
                "\"..\""}));
  }
  const auto contains = [path](std::string_view text) {
    return path.find(text) != std::string_view::npos;
  };
  if (contains("*") || contains("{{") || contains("}}") || HasSegment(path, "+")) {
    return absl::InvalidArgumentError(Concat(
        {"cannot mount at \"", path,
         "\": '*', a segment \"+\", \"{{\" and \"}}\" mean something else in policies, so that "
         "no policy could name this mount alone; choose another path"}));
  }
  return absl::OkStatus();
}

absl::Status NoSuchMount(std::string_view path) {
  return absl::NotFoundError(Concat({"no mount at ", path}));
}

class MountTableImpl final : public MountTable {
 public:
  MountTableImpl(storage::Storage* storage, EngineFactory* factory, Logger logger,
                 BeforeStop before_stop, const Limits& limits)
      : storage_(storage),
        factory_(factory),
        logger_(std::move(logger)),
        before_stop_(std::move(before_stop)),
        patience_(limits.plugin_probe_timeout) {
    AddOwn("cubbyhole/", "cubbyhole", "per-token private secret storage");
    AddOwn("identity/", "identity", "identity store");
    AddOwn("sys/", "system", "system endpoints used for control, policy and debugging");
  }

  absl::Status Enable(MountEntry entry) override {
    entry.path = AsMountPath(entry.path);
    if (absl::Status status = CheckMountPath(entry.path); !status.ok()) return status;
    if (Protected(entry.path))
      return absl::InvalidArgumentError(Concat({"cannot mount \"", entry.path, "\""}));
    if (const std::optional<std::string> other = Reserve(entry.path))
      return absl::AlreadyExistsError(Concat({"path is already in use at ", *other}));
    const std::string path = entry.path;
    const absl::Status started = Start(std::move(entry));
    Release(path);
    return started;
  }

  absl::Status Disable(std::string_view path) override {
    const std::string mount_path = AsMountPath(path);
    if (Protected(mount_path))
      return absl::InvalidArgumentError(Concat({"cannot unmount \"", mount_path, "\""}));
    const std::shared_ptr<const Served> served = Remove(mount_path);
    if (served == nullptr) return absl::OkStatus();
    // Requests and changes under way may still write: the data goes when they have ended and the
    // engine is gone.
    served->running->engine->NoteDisabling(true);
    AwaitUsers(*served);
    if (absl::Status refused = BeforeStopping(served->mount); !refused.ok()) {
      served->running->engine->NoteDisabling(false);
      PutBack(served);
      return refused;
    }
    served->running->engine.reset();
    const absl::Status deleted = storage::DeleteAll(*storage_, DataPrefix(served->mount.entry));
    Release(mount_path);
    logger_.Info("disabled a mount", {{"path", mount_path}});
    return deleted;
  }

  absl::StatusOr<std::vector<std::string>> Tune(std::string_view path,
                                                const MountTuning& tuning) override {
    std::vector<std::string> warnings;
    const absl::Status changed = Change(path, [&](MountEntry& entry) -> absl::StatusOr<Effect> {
      if (absl::Status bad = CheckVersion(tuning, entry, warnings); !bad.ok()) return bad;
      return Apply(tuning, entry);
    });
    if (!changed.ok()) return changed;
    return warnings;
  }

  absl::Status Reload(std::string_view path) override {
    return Change(path, [this](MountEntry& entry) -> absl::StatusOr<Effect> {
      factory_->RetireProcesses(entry.type);
      return Effect::kRestart;
    });
  }

  absl::StatusOr<int> ReloadPlugin(std::string_view type) override {
    std::vector<std::string> paths;
    for (const auto& [path, served] : *Current()) {
      if (served->mount.engine != nullptr && served->mount.entry.type == type)
        paths.push_back(path);
    }
    factory_->RetireProcesses(type);
    absl::Status first_failure;
    for (const std::string& path : paths) {
      absl::Status changed = Change(path, [](MountEntry&) { return Effect::kRestart; });
      // Disabled meanwhile: nothing to reload.
      if (!absl::IsNotFound(changed)) first_failure.Update(changed);
    }
    if (!first_failure.ok()) return first_failure;
    return static_cast<int>(paths.size());
  }

  void Stop() override {
    const std::unique_ptr<Executor> side_by_side = NewElasticPool(kThreadsThatStop, 0);
    for (const std::shared_ptr<const Served>& served : RemoveAll()) {
      side_by_side->PostAlways([this, served] {
        AwaitUsers(*served);
        served->running->engine.reset();
      });
    }
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
  // What a changed entry asks of the engine.
  enum class Effect { kNone, kRestart };

  void AddOwn(std::string path, std::string type, std::string description) {
    MountEntry entry;
    entry.path = std::move(path);
    entry.accessor = NewMountAccessor(type);
    entry.uuid = NewUuid();
    entry.local = type == "cubbyhole";
    entry.seal_wrap = type == "system";
    entry.type = std::move(type);
    entry.description = std::move(description);
    Put(entry, std::make_shared<Running>());
  }

  // Keeps `path` for a mount that comes, unless one is at it, above it or below it: then that one's
  // path.
  std::optional<std::string> Reserve(const std::string& path) {
    MutexLock lock(&table_mutex_);
    for (const auto& [other, served] : *table_) {
      if (Overlap(path, other)) return other;
    }
    for (const std::string& other : reserved_) {
      if (Overlap(path, other)) return other;
    }
    reserved_.insert(path);
    return std::nullopt;
  }

  void Release(const std::string& path) {
    MutexLock lock(&table_mutex_);
    reserved_.erase(path);
  }

  absl::Status Start(MountEntry entry) {
    ResolveType(entry);
    entry.uuid = NewUuid();
    entry.backend_uuid = NewUuid();
    entry.accessor = NewMountAccessor(entry.type);
    auto running = std::make_shared<Running>();
    running->view = storage::NewView(storage_, DataPrefix(entry));
    absl::StatusOr<std::unique_ptr<Engine>> engine = factory_->Create(entry, running->view.get());
    absl::Status status = engine.status();
    if (status.ok()) {
      running->engine = *std::move(engine);
      if (!Put(entry, running)) status = absl::UnavailableError("the server is stopping");
    }
    if (status.ok()) {
      logger_.Info("enabled a mount", {{"path", entry.path}, {"type", entry.type}});
      return status;
    }
    running->engine.reset();
    // What it wrote belongs to no mount.
    const absl::Status deleted = storage::DeleteAll(*storage_, DataPrefix(entry));
    if (!deleted.ok()) {
      logger_.Warn("failed to clean up storage after failed mount",
                   {{"path", entry.path}, {"error", std::string(deleted.message())}});
    }
    return status;
  }

  // A plugin that hangs ends none of its requests: killed, it ends them all.
  void AwaitUsers(const Served& served) const {
    while (!served.running->users.Wait(patience_)) served.running->engine->KillIfSilent();
  }

  // Edits the entry of the mount at `path`, has the engine take it over, and serves it.
  template <typename Edit>
  absl::Status Change(std::string_view path, const Edit& edit) {
    const std::string mount_path = AsMountPath(path);
    std::shared_ptr<const Served> served;
    std::shared_ptr<const Mount> in_use;
    {
      MutexLock lock(&table_mutex_);
      const auto it = table_->find(mount_path);
      if (it == table_->end()) return NoSuchMount(mount_path);
      served = it->second;
      in_use = Use(served);
    }
    if (in_use->engine == nullptr)
      return absl::InvalidArgumentError(Concat({"cannot tune \"", mount_path, "\""}));
    MutexLock one_at_a_time(&served->running->change);
    MountEntry entry = Latest(mount_path, *served);
    const absl::StatusOr<Effect> effect = edit(entry);
    if (!effect.ok()) return effect.status();
    if (*effect == Effect::kRestart) {
      const absl::Status restarted = in_use->engine->Restart(entry);
      if (!restarted.ok()) {
        logger_.Error("plugin reload failed",
                      {{"path", mount_path}, {"error", std::string(restarted.message())}});
      }
      // The plugin or its version, not the mount.
      if (absl::IsNotFound(restarted)) return absl::InvalidArgumentError(restarted.message());
      if (!restarted.ok()) return restarted;
    }
    logger_.Info("changed a mount", {{"path", mount_path}});
    Replace(std::move(entry), served->running);
    return absl::OkStatus();
  }

  // The entry after the change before this one.
  MountEntry Latest(const std::string& path, const Served& found) const {
    MutexLock lock(&table_mutex_);
    const auto it = table_->find(path);
    const bool same = it != table_->end() && it->second->running == found.running;
    return same ? it->second->mount.entry : found.mount.entry;
  }

  // The warning is what Vault's clients show. (vault-api-and-events 8.4)
  static absl::Status CheckVersion(const MountTuning& tuning, const MountEntry& entry,
                                   std::vector<std::string>& warnings) {
    const auto wanted = tuning.options.find("version");
    if (wanted == tuning.options.end()) return absl::OkStatus();
    if (wanted->second != "1" && wanted->second != "2")
      return absl::InvalidArgumentError(Concat({"invalid version provided: ", wanted->second}));
    const auto own = entry.options.find("version");
    const std::string now = own == entry.options.end() || own->second.empty() ? "1" : own->second;
    if (now > wanted->second)
      return absl::InvalidArgumentError(Concat({"cannot downgrade mount from version ", now}));
    if (now < wanted->second) {
      warnings.push_back(
          Concat({"Upgrading mount from version ", now, " to version ", wanted->second,
                  ". This mount will be unavailable for a brief period and will "
                  "resume service shortly."}));
    }
    return absl::OkStatus();
  }

  static absl::StatusOr<Effect> Apply(const MountTuning& tuning, MountEntry& entry) {
    const MountEntry before = entry;
    if (tuning.description) entry.description = *tuning.description;
    if (tuning.default_lease_ttl) entry.default_lease_ttl = *tuning.default_lease_ttl;
    if (tuning.max_lease_ttl) entry.max_lease_ttl = *tuning.max_lease_ttl;
    if (tuning.force_no_cache) entry.force_no_cache = *tuning.force_no_cache;
    if (tuning.plugin_version) entry.plugin_version = *tuning.plugin_version;
    for (const auto& [name, value] : tuning.options) {
      if (value.empty()) {
        entry.options.erase(name);
      } else {
        entry.options[name] = value;
      }
    }
    const absl::Duration max =
        entry.max_lease_ttl > absl::ZeroDuration() ? entry.max_lease_ttl : kSystemLeaseTtl;
    if (entry.default_lease_ttl > max) {
      return absl::InvalidArgumentError(
          "given default lease TTL greater than the maximum lease TTL");
    }
    // A plugin is told of all but the description, and only when it is set up.
    const bool same = entry.default_lease_ttl == before.default_lease_ttl &&
                      entry.max_lease_ttl == before.max_lease_ttl &&
                      entry.force_no_cache == before.force_no_cache &&
                      entry.plugin_version == before.plugin_version &&
                      entry.options == before.options;
    return same ? Effect::kNone : Effect::kRestart;
  }

  std::shared_ptr<const Table> Current() const {
    MutexLock lock(&table_mutex_);
    return table_;
  }

  // False, and nothing is served, once the table has been stopped.
  bool Put(const MountEntry& entry, std::shared_ptr<Running> running) {
    MutexLock lock(&table_mutex_);
    if (!stopped_) Serve(entry, std::move(running));
    return !stopped_;
  }

  // Nothing when the mount has been disabled meanwhile.
  void Replace(MountEntry entry, std::shared_ptr<Running> running) {
    MutexLock lock(&table_mutex_);
    const auto it = table_->find(entry.path);
    if (it != table_->end() && it->second->running == running)
      Serve(std::move(entry), std::move(running));
  }

  void Serve(MountEntry entry, std::shared_ptr<Running> running)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_mutex_) {
    auto served = std::make_shared<Served>();
    served->mount = {.entry = std::move(entry), .engine = running->engine.get()};
    served->running = std::move(running);
    auto table = std::make_shared<Table>(*table_);
    std::string path = served->mount.entry.path;
    table->insert_or_assign(std::move(path), std::move(served));
    table_ = std::move(table);
  }

  absl::Status BeforeStopping(const Mount& mount) const {
    return before_stop_ ? before_stop_(mount) : absl::OkStatus();
  }

  std::vector<std::shared_ptr<const Served>> RemoveAll() {
    std::vector<std::shared_ptr<const Served>> removed;
    auto own = std::make_shared<Table>();
    MutexLock lock(&table_mutex_);
    stopped_ = true;
    for (const auto& [path, served] : *table_) {
      if (served->mount.engine == nullptr) {
        own->emplace(path, served);
      } else {
        removed.push_back(served);
      }
    }
    table_ = std::move(own);
    return removed;
  }

  // What Remove has taken out.
  void PutBack(const std::shared_ptr<const Served>& served) {
    MutexLock lock(&table_mutex_);
    reserved_.erase(served->mount.entry.path);
    // Then the last reference to it is the caller's.
    if (stopped_) return;
    auto table = std::make_shared<Table>(*table_);
    table->insert_or_assign(served->mount.entry.path, served);
    table_ = std::move(table);
  }

  // Its path stays reserved: the caller releases it.
  std::shared_ptr<const Served> Remove(const std::string& path) {
    MutexLock lock(&table_mutex_);
    const auto it = table_->find(path);
    if (it == table_->end()) return nullptr;
    std::shared_ptr<const Served> removed = it->second;
    auto table = std::make_shared<Table>(*table_);
    table->erase(path);
    table_ = std::move(table);
    reserved_.insert(path);
    return removed;
  }

  storage::Storage* const storage_;
  EngineFactory* const factory_;
  const Logger logger_;
  const BeforeStop before_stop_;  // May be null.
  // How long requests under way may take before their engine is looked at.
  const absl::Duration patience_;
  mutable Mutex table_mutex_;
  // Shared: whoever looks at it keeps it.
  std::shared_ptr<const Table> table_ ABSL_GUARDED_BY(table_mutex_) = std::make_shared<Table>();
  // Paths of mounts that start or stop.
  std::set<std::string> reserved_ ABSL_GUARDED_BY(table_mutex_);
  bool stopped_ ABSL_GUARDED_BY(table_mutex_) = false;
};

}  // namespace

std::unique_ptr<MountTable> MountTable::Create(storage::Storage* storage, EngineFactory* factory,
                                               Logger logger, BeforeStop before_stop,
                                               const Limits& limits) {
  return std::make_unique<MountTableImpl>(storage, factory, std::move(logger),
                                          std::move(before_stop), limits);
}

}  // namespace belfry::mounts
