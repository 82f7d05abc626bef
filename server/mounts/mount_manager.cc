#include "server/mounts/mount_manager.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/executor.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/text.h"
#include "server/mounts/kv_options.h"
#include "server/mounts/lease_terms.h"
#include "server/mounts/mount_paths.h"
#include "server/mounts/mount_store.h"
#include "server/mounts/reload_failures.h"
#include "server/mounts/stand_in_engine.h"

namespace belfry::mounts {
namespace {

// Engines that are started or stopped at the same time.
constexpr std::size_t kThreadsAtOnce = 64;

// The host's own mounts.
std::vector<MountEntry> OwnMounts() {
  return {{.mount_class = MountClass::kAuth,
           .path = std::string(kTokenMount),
           .type = "token",
           .description = "token based credentials"},
          {.path = "cubbyhole/",
           .type = "cubbyhole",
           .description = "per-token private secret storage",
           .local = true},
          {.path = "identity/", .type = "identity", .description = "identity store"},
          {.path = "sys/",
           .type = "system",
           .description = "system endpoints used for control, policy and debugging",
           .seal_wrap = true}};
}

// What stays the same for as long as a mount exists. The engine goes before its storage.
struct Running {
  std::unique_ptr<storage::Storage> view;
  std::unique_ptr<Engine> engine;
  Mutex change;  // Held while the mount is tuned or reloaded.
};

absl::Status NoSuchMount(std::string_view path) {
  return absl::NotFoundError(Concat({"no mount at ", path}));
}

class MountManagerImpl final : public MountManager {
 public:
  explicit MountManagerImpl(Dependencies dependencies)
      : router_(dependencies.router),
        leases_(dependencies.leases),
        storage_(dependencies.storage),
        store_(dependencies.storage),
        factory_(dependencies.factory),
        logger_(std::move(dependencies.logger)),
        limits_(dependencies.limits) {}

  absl::Status Start() override {
    absl::StatusOr<std::vector<MountRecord>> records = store_.Load();
    if (!records.ok()) return records.status();
    if (absl::Status status = AddAllOwn(*records); !status.ok()) return status;
    // Side by side: each may wait for a plugin.
    const std::unique_ptr<Executor> side_by_side = NewElasticPool(kThreadsAtOnce, 0);
    for (MountRecord& record : *records) {
      side_by_side->PostAlways([this, record = std::move(record)] { Resume(record); });
    }
    return absl::OkStatus();
  }

  absl::Status Enable(MountEntry entry) override {
    entry.path = AsMountPath(entry.path);
    if (absl::Status status = CheckMountPath(entry.path); !status.ok()) return status;
    if (!IsFor(entry.mount_class, entry.path))
      return absl::InvalidArgumentError(Concat({"cannot mount \"", entry.path, "\""}));
    if (const std::optional<std::string> other = router_->Reserve(entry.path))
      return absl::AlreadyExistsError(
          Concat({"path is already in use at ", GivenPath(entry.mount_class, *other)}));
    const std::string path = entry.path;
    const absl::Status started = StartNew(std::move(entry));
    if (!started.ok()) router_->Release(path);
    return started;
  }

  absl::Status Disable(MountClass mount_class, std::string_view path) override {
    const std::string mount_path = AsMountPath(path);
    if (!IsFor(mount_class, mount_path))
      return absl::InvalidArgumentError(Concat({"cannot unmount \"", mount_path, "\""}));
    const std::optional<MountRouter::Removed> removed = router_->Remove(mount_path);
    if (!removed) return router_->IsReserved(mount_path) ? InChange(mount_path) : absl::OkStatus();
    const Mount& mount = removed->mount();
    // Requests and changes under way may still write: the data goes when they have ended and the
    // engine is gone.
    mount.engine->NoteDisabling(true);
    AwaitUsers(*removed);
    const MountEntry entry = router_->Latest(mount);
    absl::Status refused = leases_->RevokeAllOf(mount);
    if (refused.ok()) refused = store_.Put({entry, MountRecord::State::kPassing});
    if (!refused.ok()) {
      mount.engine->NoteDisabling(false);
      if (!router_->PutBack(mount_path)) StopEngine(mount.entry.uuid);
      return refused;
    }
    StopEngine(mount.entry.uuid);
    const absl::Status deleted = store_.Delete(entry);
    router_->Release(mount_path);
    logger_.Info("disabled a mount", {{"path", mount_path}});
    return deleted;
  }

  absl::StatusOr<std::vector<std::string>> Tune(std::string_view path,
                                                const MountTuning& tuning) override {
    std::vector<std::string> warnings;
    const absl::Status changed = Change(path, [&](MountEntry& entry) -> absl::StatusOr<Effect> {
      absl::StatusOr<std::string> warning = CheckVersionChange(entry.options, tuning.options);
      if (!warning.ok()) return warning.status();
      if (!warning->empty()) warnings.push_back(*std::move(warning));
      return Apply(tuning, entry);
    });
    if (!changed.ok()) return changed;
    return warnings;
  }

  absl::StatusOr<std::string> Move(std::string_view from, std::string_view to) override {
    const std::string source = AsMountPath(from);
    const std::string target = AsMountPath(to);
    if (absl::Status refused = CheckMove(source, target); !refused.ok()) return refused;
    if (const std::optional<std::string> other = router_->Reserve(target))
      return absl::AlreadyExistsError(Concat({"path already in use at \"", *other, "\""}));
    router_->BeginMove(source, target);
    const absl::Status failure = MoveReserved(source, target);
    router_->EndMove(source, target);
    if (!failure.ok()) {
      router_->Release(target);
      return failure;
    }
    std::string id = moves_.Note(source, target);
    logger_.Info("moved a mount", {{"from", source}, {"to", target}, {"migration_id", id}});
    return id;
  }

  std::optional<MountMove> FindMove(std::string_view id) const override { return moves_.Find(id); }

  absl::Status Reload(std::string_view path) override {
    return Change(path, [this](MountEntry& entry) -> absl::StatusOr<Effect> {
      factory_->RetireProcesses(entry.type);
      return Effect::kRestart;
    });
  }

  absl::StatusOr<int> ReloadPlugin(std::string_view type) override {
    std::vector<std::string> paths;
    for (const std::shared_ptr<const Mount>& mount : router_->List()) {
      if (mount->engine != nullptr && mount->entry.type == type) paths.push_back(mount->entry.path);
    }
    factory_->RetireProcesses(type);
    ReloadFailures failures;
    for (const std::string& path : paths) {
      const absl::Status changed = Change(path, [](MountEntry&) { return Effect::kRestart; });
      // Not found: disabled meanwhile, so that there is nothing to reload.
      if (!absl::IsNotFound(changed)) failures.Note(path, changed);
    }
    if (!failures.status().ok()) return failures.status();
    return static_cast<int>(paths.size());
  }

  void Stop() override {
    const std::unique_ptr<Executor> side_by_side = NewElasticPool(kThreadsAtOnce, 0);
    for (const MountRouter::Removed& removed : router_->Close()) {
      side_by_side->PostAlways([this, removed] {
        AwaitUsers(removed);
        StopEngine(removed.mount().entry.uuid);
      });
    }
  }

 private:
  // What a changed entry asks of the engine.
  enum class Effect { kNone, kRestart };

  // With the names that they have had from the first start on; their records leave `records`.
  absl::Status AddAllOwn(std::vector<MountRecord>& records) {
    for (MountEntry& own : OwnMounts()) {
      const auto stored = std::ranges::find_if(
          records, [&own](const MountRecord& record) { return record.entry.path == own.path; });
      if (stored != records.end()) {
        own.uuid = stored->entry.uuid;
        own.backend_uuid = stored->entry.backend_uuid;
        own.accessor = stored->entry.accessor;
        records.erase(stored);
      } else {
        NameEntry(own);
        if (absl::Status status = store_.Put({.entry = own}); !status.ok()) return status;
      }
      router_->Add(std::move(own), nullptr);
    }
    return absl::OkStatus();
  }

  // What an earlier host has left.
  void Resume(const MountRecord& record) {
    const MountEntry& entry = record.entry;
    if (record.state == MountRecord::State::kPassing)
      return NoteDeleted(entry, store_.Delete(entry));
    auto running = NewRunning(entry);
    if (absl::Status failure = StartEngine(entry, *running); !failure.ok()) {
      running->engine = std::make_unique<StandInEngine>(factory_, running->view.get(),
                                                        NotStarted(entry, failure));
    }
    (void)PutInService(entry, std::move(running));
  }

  // What the host calls a mount.
  static void NameEntry(MountEntry& entry) {
    entry.uuid = NewUuid();
    entry.backend_uuid = NewUuid();
    const bool is_auth = entry.mount_class == MountClass::kAuth;
    entry.accessor = NewMountAccessor(Concat({is_auth ? "auth_" : "", entry.type}));
  }

  absl::Status StartNew(MountEntry entry) {
    if (entry.mount_class == MountClass::kSecret) ResolveKvType(entry);
    NameEntry(entry);
    // First: what its engine writes belongs to something from the beginning.
    absl::Status status = store_.Put({entry, MountRecord::State::kPassing});
    if (!status.ok()) return status;
    status = ServeNew(entry);
    if (status.ok()) {
      logger_.Info("enabled a mount", {{"path", entry.path}, {"type", entry.type}});
    } else {
      NoteDeleted(entry, store_.Delete(entry));
    }
    return status;
  }

  absl::Status ServeNew(const MountEntry& entry) {
    auto running = NewRunning(entry);
    if (absl::Status failure = StartEngine(entry, *running); !failure.ok()) return failure;
    if (absl::Status failure = store_.Put({.entry = entry}); !failure.ok()) return failure;
    return PutInService(entry, std::move(running));
  }

  std::unique_ptr<Running> NewRunning(const MountEntry& entry) const {
    auto running = std::make_unique<Running>();
    running->view = storage::NewView(storage_, MountStore::DataPrefix(entry));
    return running;
  }

  absl::Status StartEngine(const MountEntry& entry, Running& running) {
    absl::StatusOr<std::unique_ptr<Engine>> started = factory_->Create(entry, running.view.get());
    if (started.ok()) running.engine = *std::move(started);
    return started.status();
  }

  absl::Status PutInService(const MountEntry& entry, std::unique_ptr<Running> running) {
    Engine* const engine = running->engine.get();
    // First, so that every caller that finds the mount finds this, too.
    Keep(entry.uuid, std::move(running));
    if (router_->Add(entry, engine)) return absl::OkStatus();
    StopEngine(entry.uuid);
    return absl::AbortedError("the server is stopping");
  }

  void NoteDeleted(const MountEntry& entry, const absl::Status& deleted) const {
    if (deleted.ok()) return;
    logger_.Warn("failed to clean up the storage of a mount that is not there",
                 {{"path", entry.path}, {"error", std::string(deleted.message())}});
  }

  // What clients of such a mount are told.
  absl::Status NotStarted(const MountEntry& entry, const absl::Status& reason) const {
    logger_.Error("a mount is without its plugin",
                  {{"path", entry.path},
                   {"type", entry.type},
                   {"error", std::string(ToStd(reason.message()))}});
    return absl::UnavailableError(
        Concat({"the plugin \"", entry.type, "\" of the mount \"", entry.path,
                "\" did not start with the server; the server's log says why. An operator can "
                "reload it: PUT sys/plugins/reload/backend {\"mounts\":\"",
                entry.path, "\"}"}));
  }

  // A plugin that hangs ends none of its requests: killed, it ends them all.
  void AwaitUsers(const MountRouter::Removed& removed) const {
    while (!removed.AwaitUsers(limits_.plugin_probe_timeout))
      removed.mount().engine->KillIfSilent();
  }

  // Edits the entry of the mount at `path`, has the engine take it over, and serves it.
  template <typename Edit>
  absl::Status Change(std::string_view path, const Edit& edit) {
    const std::string mount_path = AsMountPath(path);
    const std::shared_ptr<const Mount> in_use = router_->At(mount_path);
    if (in_use == nullptr) return NoSuchMount(mount_path);
    if (in_use->engine == nullptr)
      return absl::InvalidArgumentError(Concat({"cannot tune \"", mount_path, "\""}));
    MutexLock one_at_a_time(&RunningOf(*in_use).change);
    // As the change before this one has left it.
    const MountEntry before = router_->Latest(*in_use);
    MountEntry entry = before;
    const absl::StatusOr<Effect> effect = edit(entry);
    if (!effect.ok()) return effect.status();
    if (absl::Status failure = TakeOver(*in_use->engine, before, entry, *effect); !failure.ok())
      return failure;
    if (entry != before) logger_.Info("changed a mount", {{"path", mount_path}});
    router_->Replace(std::move(entry));
    return absl::OkStatus();
  }

  // Has the engine go on with `entry`, and stores it; after an error all is as before.
  absl::Status TakeOver(Engine& engine, const MountEntry& before, const MountEntry& entry,
                        Effect effect) {
    if (effect == Effect::kRestart) {
      const absl::Status restarted = engine.Restart(entry);
      NoteRestart(before.path, restarted);
      // The plugin or its version, not the mount.
      if (absl::IsNotFound(restarted)) return absl::InvalidArgumentError(restarted.message());
      if (!restarted.ok()) return restarted;
    }
    if (entry == before) return absl::OkStatus();
    const absl::Status stored = store_.Put({.entry = entry});
    // As it is stored, and found.
    if (!stored.ok() && effect == Effect::kRestart)
      NoteRestart(before.path, engine.Restart(before));
    return stored;
  }

  absl::Status CheckMove(std::string_view source, std::string_view target) const {
    const MountClass mount_class = ClassOf(source);
    if (!IsFor(mount_class, source))
      return absl::InvalidArgumentError(Concat({"cannot remount \"", source, "\""}));
    if (absl::Status status = CheckMountPath(target); !status.ok()) return status;
    if (!IsFor(mount_class, target))
      return absl::InvalidArgumentError(Concat({"cannot remount to destination ", target}));
    if (target.ends_with("/tune/")) {
      return absl::InvalidArgumentError(
          Concat({"cannot remount to destination ", target,
                  ": sys/mounts/…/tune is how the mount above it is tuned; choose another path"}));
    }
    if (router_->IsReserved(source)) return InChange(source);
    return router_->At(source) == nullptr ? NothingToMove(source) : absl::OkStatus();
  }

  static absl::Status InChange(std::string_view path) {
    return absl::AbortedError(
        Concat({"the mount at ", path, " is being enabled, moved or disabled; try again"}));
  }

  static absl::Status NothingToMove(std::string_view source) {
    return absl::NotFoundError(
        Concat({"no matching mount at \"", GivenPath(ClassOf(source), source), "\""}));
  }

  // `target` is reserved for it.
  absl::Status MoveReserved(const std::string& source, const std::string& target) {
    const std::optional<MountRouter::Removed> removed = router_->Remove(source);
    // Another change was faster.
    if (!removed) return InChange(source);
    const Mount& mount = removed->mount();
    AwaitUsers(*removed);
    const MountEntry before = router_->Latest(mount);
    MountEntry entry = before;
    entry.path = target;
    absl::Status status = leases_->RevokeAllOf(mount);
    if (status.ok()) status = TakeOver(*mount.engine, before, entry, Effect::kRestart);
    const bool served = status.ok() ? router_->Add(entry, mount.engine) : router_->PutBack(source);
    if (status.ok()) router_->Release(source);
    if (!served) StopEngine(entry.uuid);
    if (status.ok() && !served) return absl::AbortedError("the server is stopping");
    return status;
  }

  void NoteRestart(const std::string& path, const absl::Status& restarted) const {
    const std::string error(restarted.message());
    if (absl::IsAborted(restarted)) {
      logger_.Info("plugin reload interrupted", {{"path", path}, {"reason", error}});
    } else if (!restarted.ok()) {
      logger_.Error("plugin reload failed", {{"path", path}, {"error", error}});
    }
  }

  absl::StatusOr<Effect> Apply(const MountTuning& tuning, MountEntry& entry) const {
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
    if (entry.default_lease_ttl > MaxTtl(limits_, entry)) {
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

  void Keep(const std::string& uuid, std::unique_ptr<Running> running) {
    MutexLock lock(&running_mutex_);
    running_.emplace(uuid, std::move(running));
  }

  // Stops the engine of a mount that nobody uses.
  void StopEngine(const std::string& uuid) {
    std::unique_ptr<Running> stopped;  // Destroyed without the lock.
    MutexLock lock(&running_mutex_);
    const auto it = running_.find(uuid);
    stopped = std::move(it->second);
    running_.erase(it);
  }

  // Stays for as long as the mount is in use.
  Running& RunningOf(const Mount& mount) const {
    MutexLock lock(&running_mutex_);
    return *running_.at(mount.entry.uuid);
  }

  MountRouter* const router_;
  LeaseManager* const leases_;
  storage::Storage* const storage_;
  MountStore store_;
  EngineFactory* const factory_;
  const Logger logger_;
  // How long requests under way may take before their engine is looked at.
  const Limits limits_;
  MountMoves moves_;
  mutable Mutex running_mutex_;
  // By uuid. From before a mount is in service until nobody uses it any more.
  std::map<std::string, std::unique_ptr<Running>> running_ ABSL_GUARDED_BY(running_mutex_);
};

}  // namespace

std::unique_ptr<MountManager> MountManager::Create(Dependencies dependencies) {
  return std::make_unique<MountManagerImpl>(std::move(dependencies));
}

}  // namespace belfry::mounts
