#include "server/host.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/escaping.h"
#include "base/clock.h"
#include "base/core_dumps.h"
#include "base/descriptor_limit.h"
#include "base/large_allocations.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/openssl_exit.h"
#include "base/scheduler.h"
#include "base/text.h"
#include "base/wiping.h"
#include "server/configuration.h"
#include "server/core.h"
#include "server/http/server.h"
#include "server/listen_address.h"
#include "server/process/process_api.h"
#include "server/process/sealable_api.h"
#include "server/process/storage_health.h"
#include "server/seal/auto_seal.h"
#include "server/seal/seal_manager.h"
#include "server/server_lifecycle.h"
#include "server/storage/physical_storage.h"
#include "server/storage/rocksdb.h"

namespace belfry {
namespace {

LogLevel LevelOf(const HostConfig& config) {
  return LogLevelNamed(config.log_level).value_or(LogLevel::kInfo);
}

absl::StatusOr<std::unique_ptr<storage::PhysicalStorage>> OpenStorage(
    const StorageConfig& config, process::StorageHealth* health) {
  switch (config.kind) {
    case StorageConfig::Kind::kInMemory:
      return storage::NewInMemoryPhysicalStorage();
    case StorageConfig::Kind::kRocksDb:
      return storage::OpenRocksDbStorage(
          {.path = config.path,
           .on_read_only = [health](const absl::Status& reason) { health->BecomeReadOnly(reason); },
           .on_warning = [health](std::string_view line) { health->NoteWarning(line); },
           .on_sync = [health](std::size_t batches) { health->NoteSync(batches); }});
  }
  return absl::InternalError("no such storage");
}

journal::Retention RetentionOf(const HostConfig& config) {
  constexpr std::uint64_t kOnDisk = std::uint64_t{1} << 30;
  const bool in_memory = config.storage.kind == StorageConfig::Kind::kInMemory;
  const std::uint64_t by_default = in_memory ? kOnDisk / 16 : kOnDisk;
  return {.max_bytes = config.journal.max_bytes == 0 ? by_default : config.journal.max_bytes,
          .max_age = config.journal.max_age};
}

class HostImpl final : public Host {
 public:
  HostImpl(HostConfig config, std::shared_ptr<ProcessLog> log)
      : config_(std::move(config)), process_log_(std::move(log)) {}

  ~HostImpl() override {
    if (lifecycle_) lifecycle_->BeginStop();
    {
      MutexLock lock(&listening_mutex_);
      listening_ = nullptr;
    }
    http_.reset();
    if (process_api_) process_api_->Stop();
    // Its core's last answers still go through the Api of the process.
    lifecycle_.reset();
    process_api_.reset();
  }

  absl::Status Start() {
    RaiseDescriptorLimit();
    WipeFreedMemory();
    if (!config_.dev) ForbidCoreDumps();
    if (absl::Status status = OpenSeal(); !status.ok()) return status;
    MakeApi();
    if (config_.dev) {
      auto share = lifecycle_->InitializeForDev(config_.dev->root_token);
      if (!share.ok()) return share.status();
      dev_unseal_key_ = absl::Base64Escape(ToAbsl(share->view()));
    }
    if (absl::Status status = Listen(); !status.ok()) return status;
    process_api_->UnsealByItself();
    return absl::OkStatus();
  }

  std::uint16_t Port(std::size_t listener) const override { return http_->Port(listener); }
  std::string DevUnsealKey() const override { return dev_unseal_key_; }
  void LogSignal(std::string_view what, std::string_view signal) override {
    log_.Info(what, {{"signal", std::string(signal)}});
  }
  void Reload(const absl::StatusOr<HostConfig>& config) override {
    if (const absl::Status reopened = process_log_->Reopen(); !reopened.ok()) {
      // Where the log still goes, that may have been deleted, and where an operator may look.
      for (const Logger& log : {log_, Logger(NewStderrLogSink(LogLevel::kError), "core")})
        log.Error("failed to reopen the log", {{"error", std::string(reopened.message())}});
    }
    // Also beside a configuration that cannot be read: a certificate must not run out over that.
    if (const absl::Status reloaded = http_->ReloadCertificates(); !reloaded.ok()) {
      log_.Error("failed to reload a certificate; the old one goes on",
                 {{"error", std::string(reloaded.message())}});
    }
    if (!config.ok()) {
      log_.Error("failed to reload the configuration",
                 {{"error", std::string(config.status().message())}});
      return;
    }
    process_log_->SetMinimum(LevelOf(*config));
    lifecycle_->DeclarePlugins(config->plugins);
    for (const std::string_view key : ChangesThatNeedRestart(config_, *config))
      log_.Warn("a changed setting takes effect at a restart", {{"setting", std::string(key)}});
    log_.Info("configuration reloaded", {{"log_level", config->log_level}});
  }

 private:
  absl::Status OpenSeal() {
    absl::StatusOr<std::unique_ptr<storage::PhysicalStorage>> storage =
        OpenStorage(config_.storage, &storage_health_);
    if (!storage.ok()) return storage.status();
    storage_ = *std::move(storage);
    absl::StatusOr<std::unique_ptr<seal::SealManager>> seal =
        seal::SealManager::Open(storage_.get(), &clock_, auto_seal_.get());
    if (!seal.ok()) return seal.status();
    seal_ = *std::move(seal);
    return absl::OkStatus();
  }

  void MakeApi() {
    const std::string version = VersionForClients(config_.version);
    lifecycle_ = std::make_unique<ServerLifecycle>(
        seal_.get(), &sealable_api_,
        CoreConfig{.mount_secret = config_.dev.has_value(),
                   .api_address = config_.api_address,
                   .plugin_directories = config_.plugin_directories,
                   .plugins = config_.plugins,
                   .guard_program = config_.guard_program,
                   .periodic_interval = config_.periodic_interval,
                   .journal = RetentionOf(config_),
                   .cluster_name = config_.cluster_name,
                   .version = version},
        CoreEnvironment{.storage = &seal_->barrier(),
                        .barrier = &seal_->barrier(),
                        .clock = &clock_,
                        .scheduler = scheduler_.get(),
                        .metrics = metrics_.get(),
                        .limits = limits_,
                        .logger = log_});
    lifecycle_->OnSealed([this] {
      MutexLock lock(&listening_mutex_);
      if (listening_ != nullptr) listening_->WipeStacks();
    });
    process_api_ = std::make_unique<process::ProcessApi>(
        &sealable_api_, lifecycle_.get(),
        process::Facts{.clock = &clock_,
                       .version = version,
                       .storage_type = std::string(NameOf(config_.storage.kind)),
                       .storage = &storage_health_,
                       .stored = storage_.get(),
                       .metrics = metrics_.get()},
        scheduler_.get(), log_, limits_);
  }

  absl::Status Listen() {
    http::Options options{
        .listeners = {}, .limits = limits_, .clock = &clock_, .scheduler = scheduler_.get()};
    for (const ListenerConfig& listener : config_.listeners) {
      options.listeners.push_back({.address = listener.address,
                                   .port = listener.port,
                                   .tls = listener.tls,
                                   .open_metrics = listener.open_metrics});
    }
    auto server =
        http::Server::Start(options, process_api_.get(), metrics_.get(), log_.Named("http"));
    if (!server.ok()) return server.status();
    http_ = *std::move(server);
    {
      MutexLock lock(&listening_mutex_);
      listening_ = http_.get();
    }
    WarnOfPlainText();
    return absl::OkStatus();
  }

  void WarnOfPlainText() {
    for (const ListenerConfig& listener : config_.listeners) {
      if (listener.tls || IsLoopback(listener.address)) continue;
      log_.Warn("tokens travel in the clear: the listener has no TLS and is not on loopback",
                {{"address", listener.address}});
    }
  }

  const HostConfig config_;
  const Limits limits_ = config_.limits;
  const std::shared_ptr<ProcessLog> process_log_;
  const Logger log_{process_log_, "core"};
  const SystemClock clock_;
  const std::unique_ptr<Scheduler> scheduler_ = NewScheduler(&clock_);
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  process::StorageHealth storage_health_{metrics_.get(), log_.Named("storage")};
  std::unique_ptr<storage::PhysicalStorage> storage_;
  const std::unique_ptr<seal::AutoSeal> auto_seal_ = seal::NewAutoSeal(config_.seal);
  std::unique_ptr<seal::SealManager> seal_;
  process::SealableApi sealable_api_;
  std::unique_ptr<ServerLifecycle> lifecycle_;
  std::unique_ptr<process::ProcessApi> process_api_;
  std::unique_ptr<http::Server> http_;
  Mutex listening_mutex_;
  // Null once the server ends: what is sealed then wipes no stacks of its threads.
  http::Server* listening_ ABSL_GUARDED_BY(listening_mutex_) = nullptr;
  std::string dev_unseal_key_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Host>> Host::Start(HostConfig config) {
  KeepOpenSslAtExit();
  MapLargeAllocations();
  auto log = OpenProcessLog(
      {.minimum = LevelOf(config), .format = config.log_format, .file = config.log_file});
  if (!log.ok()) return log.status();
  auto host = std::make_unique<HostImpl>(std::move(config), *std::move(log));
  if (absl::Status status = host->Start(); !status.ok()) return status;
  return host;
}

}  // namespace belfry
