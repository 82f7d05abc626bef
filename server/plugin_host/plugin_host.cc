#include "server/plugin_host/plugin_host.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <thread>
#include <utility>

#include "base/event_rules.h"
#include "base/executor.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/text.h"
#include "google/protobuf/stubs/logging.h"
#include "grpc/grpc.h"
#include "sdk/wire/lock_checks.h"
#include "server/mounts/lease_terms.h"
#include "server/plugin_host/catalog.h"
#include "server/plugin_host/catalog_store.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/plugin_engine.h"
#include "server/plugin_host/plugin_instance.h"
#include "server/plugin_host/process_pool.h"
#include "server/plugin_host/socket_directory.h"

namespace belfry::plugin_host {
namespace {

// Mounts of one plugin that are restarted after its crash at the same time, and how many more may
// wait for their turn. Each plugin has such threads of its own.
constexpr std::size_t kRestartThreads = 4;
constexpr std::size_t kMaxWaitingRestarts = 4096;

logical::EventPluginInfo PluginInfoOf(const mounts::MountEntry& entry) {
  logical::EventPluginInfo info;
  info.set_mount_class("secret");
  info.set_mount_accessor(entry.accessor);
  info.set_mount_path(entry.path);
  info.set_plugin(entry.type);
  info.set_plugin_version(entry.plugin_version);
  if (const auto version = entry.options.find("version"); version != entry.options.end()) {
    info.set_version(version->second);
  } else if (entry.type == "kv") {
    info.set_version("1");  // As in Vault, where a kv mount always has a version.
  }
  return info;
}

// While one lives, gRPC goes on when its last channel has gone. Else that waits for gRPC's threads,
// and one of them waits for up to 10 s after a write that did not fit into the socket at once (the
// backup poller of gRPC 1.51's tcp_posix.cc).
class GrpcUse {
 public:
  GrpcUse() { grpc_init(); }
  ~GrpcUse() { grpc_shutdown(); }
  GrpcUse(const GrpcUse&) = delete;
  GrpcUse& operator=(const GrpcUse&) = delete;
};

class PluginHostImpl final : public PluginHost {
 public:
  PluginHostImpl(Options options, std::unique_ptr<SocketDirectory> sockets,
                 storage::Storage* storage, const Clock* clock, Metrics* metrics, Logger logger)
      : options_(std::move(options)),
        catalog_(options_.plugin_directories),
        store_(storage),
        storage_(storage),
        clock_(clock),
        metrics_(metrics),
        logger_(std::move(logger)),
        crashes_(metrics->GetCounter("belfry_plugin_crashes_total",
                                     "Plugin processes that exited unexpectedly.")),
        sockets_(std::move(sockets)),
        pool_(
            sockets_.get(), clock, options_.limits,
            [this](const mounts::PluginEntry& plugin, const ExitStatus& end) {
              TellOfCrash(plugin, end);
            },
            logger_) {
    for (const std::string& concern : catalog_.Scan())
      logger_.Warn("look at the plugin directory", {{"concern", concern}});
  }

  // What operators have registered with an earlier host.
  absl::Status LoadCatalog() {
    const absl::StatusOr<std::vector<Registration>> registrations = store_.Load();
    if (!registrations.ok()) return registrations.status();
    for (const Registration& registration : *registrations) Take(registration);
    return absl::OkStatus();
  }

  void Declare(std::vector<mounts::PluginEntry> plugins) override {
    for (const mounts::PluginEntry& plugin : plugins) {
      const absl::Status usable = catalog_.CheckProgram(plugin);
      if (usable.ok()) continue;
      logger_.Error("a declared plugin cannot be used",
                    {{"plugin", plugin.name}, {"reason", std::string(ToStd(usable.message()))}});
    }
    for (const std::string& name : catalog_.Declare(std::move(plugins))) {
      logger_.Info("a declared plugin has changed; mounts have it once they are reloaded",
                   {{"plugin", name}});
    }
  }

  ~PluginHostImpl() override {
    {
      MutexLock lock(&mutex_);
      ended_ = true;
    }
    changed_.NotifyAll();
    if (stopper_.joinable()) stopper_.join();
  }

  void BeginStop(absl::Duration limit) override {
    pool_.StopStarting();
    stopper_ = std::thread([this, limit, deadline = SteadyTime::Now() + limit] {
      pool_.KillSilent();
      MutexLock lock(&mutex_);
      while (!ended_ && changed_.WaitUntil(&mutex_, deadline.ToChrono())) {
      }
      pool_.KillAll(Concat({"the server is stopping, and it did not end its requests within ",
                            absl::FormatDuration(limit)}));
    });
  }

  absl::StatusOr<std::unique_ptr<mounts::Engine>> Create(const mounts::MountEntry& entry,
                                                         storage::Storage* view) override {
    const auto large_paths = std::make_shared<LargePaths>(options_.limits);
    const auto stored_requests = std::make_shared<StoredRequests>();
    absl::StatusOr<std::unique_ptr<PluginEngine>> engine = PluginEngine::Create(
        std::make_unique<Starter>(this, entry.path, view, large_paths, stored_requests), entry,
        LaneOf(entry.type), large_paths, stored_requests, metrics_, options_.limits, logger_);
    // That nothing starts while the server stops is no failure.
    if (engine.ok() || pool_.stopping()) return engine;
    logger_.Error(
        "a plugin could not be mounted",
        {{"mount", entry.path}, {"reason", std::string(ToStd(engine.status().message()))}});
    return engine.status();
  }

  void RetireProcesses(std::string_view type) override { pool_.Retire(type); }

  absl::Status Register(mounts::PluginEntry wanted) override {
    Registration registration{.entry = std::move(wanted)};
    mounts::PluginEntry& entry = registration.entry;
    const absl::Status declared = catalog_.CheckNotDeclared(entry.type, entry.name);
    if (!declared.ok()) return declared;
    const absl::StatusOr<std::string> path = catalog_.Check(entry);
    if (!path.ok()) return path.status();
    const absl::StatusOr<std::string> version = Probe(ProgramOf(entry, *path));
    if (!version.ok()) return ForOperators(version.status());
    if (entry.version.empty()) {
      entry.version = *version;
      if (const absl::Status bad = catalog_.Check(entry).status(); !bad.ok()) return bad;
      // What has been there without a version is what this replaces.
      registration.replaces_unversioned = true;
    } else if (!version->empty() && *version != entry.version) {
      return absl::InvalidArgumentError(
          Concat({"plugin version mismatch: ", entry.name, " reported version ", *version, ", but ",
                  entry.version, " was to be registered"}));
    }
    if (absl::Status stored = store_.Put(registration); !stored.ok()) return stored;
    logger_.Info("registered a plugin", {{"plugin", entry.name}, {"version", entry.version}});
    Take(registration);
    return absl::OkStatus();
  }
  std::optional<mounts::PluginEntry> Get(mounts::PluginType type, std::string_view name,
                                         std::string_view version) const override {
    return catalog_.Get(type, name, version);
  }
  absl::Status Remove(mounts::PluginType type, std::string_view name,
                      std::string_view version) override {
    const absl::Status declared = catalog_.CheckNotDeclared(type, name);
    if (!declared.ok()) return declared;
    if (absl::Status stored = store_.Delete(type, name, version); !stored.ok()) return stored;
    catalog_.Remove(type, name, version);
    return absl::OkStatus();
  }
  absl::StatusOr<mounts::PluginEntry> Resolve(std::string_view name,
                                              std::string_view version) const override {
    return catalog_.Resolve(name, version);
  }
  std::vector<mounts::PluginEntry> List() const override { return catalog_.List(); }
  std::vector<mounts::PluginProcesses> Processes() const override { return pool_.Processes(); }

 private:
  void Take(const Registration& registration) {
    const mounts::PluginEntry& entry = registration.entry;
    if (registration.replaces_unversioned) catalog_.Remove(entry.type, entry.name, "");
    catalog_.Put(entry);
  }

  // The instances of one mount. The engine that has it is gone before the host.
  class Starter final : public InstanceStarter {
   public:
    Starter(PluginHostImpl* host, std::string mount_path, storage::Storage* view,
            std::shared_ptr<LargePaths> large_paths,
            std::shared_ptr<StoredRequests> stored_requests)
        : host_(host),
          mount_path_(std::move(mount_path)),
          view_(view),
          large_paths_(std::move(large_paths)),
          stored_requests_(std::move(stored_requests)) {}
    ~Starter() override { host_->metrics_->Drop("mount", mount_path_); }

    absl::StatusOr<PluginProgram> Resolve(const mounts::MountEntry& entry) const override {
      // The catalog knows secrets plugins only.
      if (entry.mount_class != mounts::MountClass::kSecret)
        return absl::NotFoundError(Concat({"plugin not found in the catalog: ", entry.type}));
      const absl::StatusOr<mounts::PluginEntry> plugin =
          host_->catalog_.Resolve(entry.type, entry.plugin_version);
      if (!plugin.ok()) return plugin.status();
      const absl::StatusOr<std::string> path = host_->catalog_.Check(*plugin);
      if (!path.ok()) return path.status();
      return Current(host_->ProgramOf(*plugin, *path));
    }
    PluginProgram Current(const PluginProgram& program) const override {
      const std::optional<Catalog::Rebuilt> rebuilt =
          host_->catalog_.TakeRebuilt(program.entry, program.path);
      PluginProgram current = rebuilt ? host_->ProgramOf(rebuilt->entry, program.path) : program;
      if (rebuilt && rebuilt->first) {
        host_->logger_.Info("took a program that has been rebuilt",
                            {{"plugin", current.entry.name}, {"sha256", current.entry.sha256}});
      }
      current.record = host_->pool_.Record(current.entry);
      MutexLock lock(&mutex_);
      last_tried_ = current.record;
      return current;
    }
    absl::StatusOr<std::unique_ptr<PluginInstance>> Start(const PluginProgram& program,
                                                          const mounts::MountEntry& entry,
                                                          StartReason reason) const override {
      absl::StatusOr<std::unique_ptr<PluginInstance>> started = SetUp(program, entry, reason);
      // What was starting has been killed.
      if (!started.ok() && reason == StartReason::kRequested && Stopping())
        return absl::AbortedError("the server is stopping");
      return started;
    }
    std::uint64_t Writes() const override { return writes_; }
    bool Stopping() const override { return host_->pool_.stopping(); }

   private:
    absl::StatusOr<std::unique_ptr<PluginInstance>> SetUp(const PluginProgram& program,
                                                          const mounts::MountEntry& entry,
                                                          StartReason reason) const {
      absl::StatusOr<std::shared_ptr<PluginProcess>> process =
          host_->pool_.Acquire(program, reason);
      if (!process.ok()) return process.status();
      MountServices services = host_->ServicesOf(entry, program, view_);
      services.writes = &writes_;
      services.large_paths = large_paths_;
      services.stored_requests = stored_requests_;
      return PluginInstance::Start(*std::move(process), program, entry, std::move(services));
    }

    PluginHostImpl* const host_;
    const std::string mount_path_;
    storage::Storage* const view_;
    const std::shared_ptr<LargePaths> large_paths_;
    const std::shared_ptr<StoredRequests> stored_requests_;
    mutable std::atomic<std::uint64_t> writes_ = 0;
    mutable Mutex mutex_;
    // Also of a program that does not start, so that its next start has to wait.
    mutable std::shared_ptr<const void> last_tried_ ABSL_GUARDED_BY(mutex_);
  };

  PluginProgram ProgramOf(const mounts::PluginEntry& entry, const std::string& path) const {
    return {.entry = entry, .path = path, .vault_version = options_.vault_version, .record = {}};
  }

  // Where the mounts of a plugin are restarted after its crash: on threads of its own, so that a
  // plugin which is slow to start holds up no other. Shared by its mounts.
  std::shared_ptr<Executor> LaneOf(const std::string& plugin) {
    MutexLock lock(&mutex_);
    std::erase_if(lanes_, [](const auto& known) { return known.second.expired(); });
    std::weak_ptr<Executor>& known = lanes_[plugin];
    std::shared_ptr<Executor> lane = known.lock();
    if (lane == nullptr) {
      lane = NewElasticPool(kRestartThreads, kMaxWaitingRestarts);
      known = lane;
    }
    return lane;
  }

  // Starts the program apart from all mounts and asks for its version.
  absl::StatusOr<std::string> Probe(const PluginProgram& program) {
    absl::StatusOr<std::unique_ptr<PluginProcess>> process =
        pool_.Launch(program, {.on_first_answer = [] {}, .on_crash = [](const ExitStatus&) {}},
                     StartReason::kRequested);
    if (!process.ok()) return process.status();
    mounts::MountEntry nowhere;
    nowhere.type = program.entry.name;
    MountServices services = ServicesOf(nowhere, program, nullptr);
    return PluginInstance::ProbeVersion(*std::move(process), program, std::move(services));
  }

  // For operators who watch: `sys/plugin-crash`, an event of the host itself.
  void TellOfCrash(const mounts::PluginEntry& plugin, const ExitStatus& end) {
    crashes_.Increment();
    logical::EventReceived message;
    message.set_event_type("sys/plugin-crash");
    message.mutable_event()->set_id(NewUuid());
    auto& metadata = *message.mutable_event()->mutable_metadata()->mutable_fields();
    const auto set = [&metadata](const char* name, const std::string& value) {
      metadata[name].set_string_value(value);
    };
    set("end", Describe(end));
    set("modified", "false");
    set("operation", "plugin-crash");
    set("path", std::string(kHostEventPaths) + plugin.name);
    set("plugin", plugin.name);
    set("plugin_version", plugin.version);
    storage::WriteBatch batch;
    batch.events.push_back({.accepted = clock_->Now(),
                            .bytes = message.SerializeAsString(),
                            .type = message.event_type(),
                            .path = metadata["path"].string_value()});
    storage_->Commit(std::move(batch), [logger = logger_](const absl::Status& committed) {
      if (committed.ok()) return;
      logger.Error("an event of a crash was lost", {{"error", std::string(committed.message())}});
    });
  }

  MountServices ServicesOf(const mounts::MountEntry& entry, const PluginProgram& program,
                           storage::Storage* view) const {
    return {.plugin_info = PluginInfoOf(entry),
            .program = program.entry.command,
            .storage = view,
            .clock = clock_,
            .metrics = metrics_,
            .logger = logger_,
            .limits = options_.limits,
            .local = entry.local,
            .caching_disabled = entry.force_no_cache,
            .default_lease_ttl = mounts::DefaultTtl(options_.limits, entry),
            .max_lease_ttl = mounts::MaxTtl(options_.limits, entry),
            .vault_version = options_.vault_version};
  }

  const GrpcUse grpc_use_;  // First: it outlasts every channel.
  const Options options_;
  Catalog catalog_;
  CatalogStore store_;
  storage::Storage* const storage_;
  const Clock* const clock_;
  Metrics* const metrics_;
  const Logger logger_;
  Counter& crashes_;
  const std::unique_ptr<SocketDirectory> sockets_;
  ProcessPool pool_;
  Mutex mutex_;
  CondVar changed_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  // By the plugin's name.
  std::map<std::string, std::weak_ptr<Executor>> lanes_ ABSL_GUARDED_BY(mutex_);
  std::thread stopper_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PluginHost>> PluginHost::Create(Options options,
                                                               storage::Storage* storage,
                                                               const Clock* clock, Metrics* metrics,
                                                               Logger logger) {
  const std::string guard =
      options.guard_program.empty() ? DefaultGuardProgram() : options.guard_program;
  absl::StatusOr<std::unique_ptr<SocketDirectory>> sockets =
      SocketDirectory::Create(options.socket_directory, guard);
  if (!sockets.ok()) return sockets.status();
  wire::StopLockChecks();
  // What protobuf says of a malformed message is as long as a plugin wants and names nobody; the
  // call fails anyway.
  google::protobuf::SetLogHandler(nullptr);
  auto host = std::make_unique<PluginHostImpl>(std::move(options), *std::move(sockets), storage,
                                               clock, metrics, std::move(logger));
  if (absl::Status status = host->LoadCatalog(); !status.ok()) return status;
  return host;
}

}  // namespace belfry::plugin_host
