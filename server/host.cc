#include "server/host.h"

#include <utility>

#include "base/clock.h"
#include "base/descriptor_limit.h"
#include "base/large_allocations.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/openssl_exit.h"
#include "base/scheduler.h"
#include "server/core.h"
#include "server/http/server.h"
#include "server/sealable_api.h"
#include "server/storage/physical_storage.h"

namespace belfry {
namespace {

LogLevel LevelNamed(std::string_view name) {
  if (name == "trace") return LogLevel::kTrace;
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warn") return LogLevel::kWarn;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

class HostImpl final : public Host {
 public:
  explicit HostImpl(HostConfig config) : config_(std::move(config)) {}

  ~HostImpl() override {
    if (core_) core_->BeginStop();
    http_.reset();
    api_.Seal();
    if (core_) core_->Stop();
    api_.AwaitRequests();
  }

  absl::Status Start() {
    RaiseDescriptorLimit();
    auto core = Core::Start({.root_token = config_.dev->root_token,
                             .plugin_directories = config_.plugin_directories,
                             .guard_program = config_.guard_program,
                             .periodic_interval = config_.periodic_interval,
                             .version = config_.version},
                            {.storage = storage_.get(),
                             .clock = &clock_,
                             .scheduler = scheduler_.get(),
                             .metrics = metrics_.get(),
                             .limits = limits_,
                             .logger = log_});
    if (!core.ok()) return core.status();
    core_ = *std::move(core);
    api_.Unseal(core_->Api());
    return Listen();
  }

  std::uint16_t Port() const override { return http_->Port(); }
  void LogSignal(std::string_view what, std::string_view signal) override {
    log_.Info(what, {{"signal", std::string(signal)}});
  }

 private:
  absl::Status Listen() {
    auto server = http::Server::Start({.address = config_.listener.address,
                                       .port = config_.listener.port,
                                       .limits = limits_,
                                       .clock = &clock_,
                                       .scheduler = scheduler_.get()},
                                      &api_, metrics_.get(), log_.Named("http"));
    if (!server.ok()) return server.status();
    http_ = *std::move(server);
    return absl::OkStatus();
  }

  const HostConfig config_;
  const Limits limits_;
  const Logger log_{NewStderrLogSink(LevelNamed(config_.log_level)), "core"};
  const SystemClock clock_;
  const std::unique_ptr<Scheduler> scheduler_ = NewScheduler(&clock_);
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::unique_ptr<storage::PhysicalStorage> storage_ = storage::NewInMemoryPhysicalStorage();
  SealableApi api_;
  std::unique_ptr<Core> core_;
  std::unique_ptr<http::Server> http_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Host>> Host::Start(HostConfig config) {
  KeepOpenSslAtExit();
  MapLargeAllocations();
  auto host = std::make_unique<HostImpl>(std::move(config));
  if (absl::Status status = host->Start(); !status.ok()) return status;
  return host;
}

}  // namespace belfry
