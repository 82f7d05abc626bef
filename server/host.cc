#include "server/host.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "server/access/authorizer.h"
#include "server/access/cubbyholes.h"
#include "server/access/policy_store.h"
#include "server/access/role_store.h"
#include "server/access/token_expirer.h"
#include "server/access/token_store.h"
#include "server/api/api.h"
#include "server/base/clock.h"
#include "server/base/descriptor_limit.h"
#include "server/base/executor.h"
#include "server/base/limits.h"
#include "server/base/logging.h"
#include "server/base/metrics.h"
#include "server/base/scheduler.h"
#include "server/base/text.h"
#include "server/bus/bus.h"
#include "server/http/server.h"
#include "server/mounts/lease_manager.h"
#include "server/mounts/mount_table.h"
#include "server/mounts/periodic_rollback.h"
#include "server/plugin_host/plugin_host.h"
#include "server/storage/storage.h"

namespace belfry {
namespace {

// The Vault whose behaviour clients and plugins may count on.
constexpr char kVaultVersion[] = "1.21.0";
// For what waits for storage.
constexpr std::size_t kBlockingThreads = 4;
// For what waits for plugins: mounts and plugins that are changed at the same time.
constexpr std::size_t kPluginThreads = 64;
constexpr std::size_t kLeaseThreads = 2;
constexpr std::size_t kFilterThreads = 2;

LogLevel LevelNamed(std::string_view name) {
  if (name == "trace") return LogLevel::kTrace;
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warn") return LogLevel::kWarn;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

// What sets one build of the same Vault version apart from another is, in a semantic version, what
// follows '+'; comparisons ignore it.
std::string VersionForClients(const std::string& own) {
  return own.empty() ? kVaultVersion : Concat({kVaultVersion, "+belfry.", own});
}

// A new, empty folder that only this user may enter. Short: a socket's path has a hundred bytes.
absl::StatusOr<std::string> MakeSocketDirectory() {
  std::error_code error;
  std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error || parent.native().size() > 40) parent = "/tmp";
  std::string path = (parent / "belfry-XXXXXX").string();
  if (mkdtemp(path.data()) != nullptr) return path;
  return absl::UnavailableError(Concat({"cannot make a folder for sockets in ", parent.native()}));
}

class HostImpl final : public Host {
 public:
  explicit HostImpl(HostConfig config) : config_(std::move(config)) {}

  ~HostImpl() override {
    // Plugins that do not answer, or do not end, are killed in time for all that waits for them.
    if (plugins_) plugins_->BeginStop(limits_.server_stop_timeout - limits_.plugin_stop_timeout);
    http_.reset();
    periodic_rollback_.reset();
    if (leases_) leases_->Stop();
    // Requests under way end here, and what ends with them may still need the executors.
    if (mounts_) mounts_->Stop();
    plugin_executor_.reset();
    executor_.reset();
    // Nobody makes tokens any more.
    token_expirer_.reset();
  }

  absl::Status Start() {
    RaiseDescriptorLimit();
    if (absl::Status status = StartPlugins(); !status.ok()) return status;
    if (absl::Status status = StartMounts(); !status.ok()) return status;
    if (absl::Status status = OpenAccess(); !status.ok()) return status;
    StartApi();
    if (absl::Status status = MountSecret(); !status.ok()) return status;
    StartPeriodicWork();
    return Listen();
  }

  std::uint16_t Port() const override { return http_->Port(); }

 private:
  absl::Status StartPlugins() {
    absl::StatusOr<std::string> sockets = MakeSocketDirectory();
    if (!sockets.ok()) return sockets.status();
    const std::string folder = *sockets;
    plugin_host::Options options{.plugin_directories = config_.plugin_directories,
                                 .socket_directory = *std::move(sockets),
                                 .guard_program = config_.guard_program,
                                 .vault_version = kVaultVersion,
                                 .limits = limits_};
    auto plugins = plugin_host::PluginHost::Create(std::move(options), bus_.get(), &clock_,
                                                   metrics_.get(), log_.Named("plugins"));
    if (!plugins.ok()) {
      // Nobody has taken charge of it.
      std::error_code ignored;
      std::filesystem::remove(folder, ignored);
      return plugins.status();
    }
    plugins_ = *std::move(plugins);
    return absl::OkStatus();
  }

  absl::Status OpenAccess() {
    auto policies = access::PolicyStore::Open(policy_storage_.get(), limits_);
    if (!policies.ok()) return policies.status();
    policies_ = *std::move(policies);
    // Tokens may end as they are read, and then their leases with them.
    auto tokens =
        access::TokenStore::Open(token_storage_.get(), &clock_,
                                 [this](const access::TokenEntry& token) { ForgetToken(token); });
    if (!tokens.ok()) return tokens.status();
    tokens_ = *std::move(tokens);
    // What a token left whose end an earlier process did not live to see through.
    absl::Status status =
        cubbyholes_.DropStrays([this](const std::string& id) { return tokens_->Knows(id); });
    if (!status.ok()) return status;
    token_expirer_ = std::make_unique<access::TokenExpirer>(
        tokens_.get(), &clock_, scheduler_.get(), lease_executor_.get());
    return tokens_->CreateRoot(config_.root_token).status();
  }

  absl::Status StartMounts() {
    leases_ = mounts::LeaseManager::Create({.storage = storage_.get(),
                                            .clock = &clock_,
                                            .scheduler = scheduler_.get(),
                                            .executor = lease_executor_.get(),
                                            .metrics = metrics_.get(),
                                            .limits = limits_,
                                            .logger = log_.Named("leases")});
    mounts_ = mounts::MountTable::Create(
        storage_.get(), plugins_.get(), log_.Named("mounts"),
        [this](const mounts::Mount& mount) { return leases_->Leave(mount); }, limits_);
    return leases_->Start(mounts_.get());
  }

  // What hangs on a token goes with it.
  void ForgetToken(const access::TokenEntry& token) {
    const auto check = [this, accessor = token.accessor](const absl::Status& status) {
      if (status.ok()) return;
      log_.Error("something of a token is left behind",
                 {{"accessor", accessor}, {"error", std::string(status.message())}});
    };
    policies_->OnTokenEnd(token.policies, token.id);
    check(cubbyholes_.Clear(token));
    leases_->Revoke({.token_accessor = token.accessor}, mounts::RevokeMode::kQueue, check);
  }

  void StartApi() {
    authorizer_ = access::NewAuthorizer(policies_.get(), tokens_.get(), &clock_);
    executor_ = NewThreadPool(kBlockingThreads);
    plugin_executor_ = NewElasticPool(kPluginThreads, 0);
    api_ = api::Api::Create({.authorizer = authorizer_.get(),
                             .policies = policies_.get(),
                             .tokens = tokens_.get(),
                             .roles = &roles_,
                             .cubbyholes = &cubbyholes_,
                             .mounts = mounts_.get(),
                             .catalog = plugins_.get(),
                             .leases = leases_.get(),
                             .bus = bus_.get(),
                             .clock = &clock_,
                             .executor = executor_.get(),
                             .plugin_executor = plugin_executor_.get(),
                             .metrics = metrics_.get(),
                             .limits = limits_,
                             .version = VersionForClients(config_.version),
                             .logger = log_.Named("api")});
  }

  // What dev mode has from the beginning.
  absl::Status MountSecret() {
    mounts::MountEntry entry;
    entry.path = "secret/";
    entry.type = "kv";
    entry.description = "key/value secret storage";
    entry.options = {{"version", "2"}};
    const absl::Status status = mounts_->Enable(std::move(entry));
    if (status.ok()) return status;
    return absl::Status(status.code(), Concat({"cannot mount secret/: ", ToStd(status.message())}));
  }

  void StartPeriodicWork() {
    periodic_rollback_ =
        mounts::PeriodicRollback::Start({.mounts = mounts_.get(),
                                         .clock = &clock_,
                                         .scheduler = scheduler_.get(),
                                         .interval = config_.periodic_interval,
                                         .request_limit = limits_.max_request_duration,
                                         .logger = log_.Named("mounts")});
  }

  absl::Status Listen() {
    auto server = http::Server::Start({.address = config_.listen_address,
                                       .port = config_.listen_port,
                                       .limits = limits_,
                                       .clock = &clock_},
                                      api_.get(), metrics_.get(), log_.Named("http"));
    if (!server.ok()) return server.status();
    http_ = *std::move(server);
    return absl::OkStatus();
  }

  const HostConfig config_;
  const Limits limits_;
  const Logger log_{NewStderrLogSink(LevelNamed(config_.log_level)), "core"};
  const SystemClock clock_;
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::unique_ptr<storage::Storage> storage_ = storage::NewInMemoryStorage();
  const std::unique_ptr<storage::Storage> policy_storage_ =
      storage::NewView(storage_.get(), "sys/policy/");
  const std::unique_ptr<storage::Storage> token_storage_ =
      storage::NewView(storage_.get(), "sys/token/");
  const std::unique_ptr<storage::Storage> role_storage_ =
      storage::NewView(storage_.get(), "sys/token-role/");
  const std::unique_ptr<storage::Storage> cubbyhole_storage_ =
      storage::NewView(storage_.get(), "sys/cubbyhole/");
  const std::unique_ptr<bus::Bus> bus_ =
      bus::Bus::Create(metrics_.get(), limits_, NewThreadPool(kFilterThreads));
  std::unique_ptr<plugin_host::PluginHost> plugins_;
  const std::unique_ptr<Scheduler> scheduler_ = NewScheduler(&clock_);
  const std::unique_ptr<Executor> lease_executor_ = NewThreadPool(kLeaseThreads);
  std::unique_ptr<mounts::LeaseManager> leases_;
  std::unique_ptr<mounts::MountTable> mounts_;
  std::unique_ptr<mounts::PeriodicRollback> periodic_rollback_;
  std::unique_ptr<access::PolicyStore> policies_;
  access::RoleStore roles_{role_storage_.get()};
  access::Cubbyholes cubbyholes_{cubbyhole_storage_.get(), &clock_};
  std::unique_ptr<access::TokenStore> tokens_;
  std::unique_ptr<access::TokenExpirer> token_expirer_;
  std::unique_ptr<access::Authorizer> authorizer_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Executor> plugin_executor_;
  std::unique_ptr<http::Server> http_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Host>> Host::Start(HostConfig config) {
  auto host = std::make_unique<HostImpl>(std::move(config));
  if (absl::Status status = host->Start(); !status.ok()) return status;
  return host;
}

}  // namespace belfry
