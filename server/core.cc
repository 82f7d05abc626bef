#include "server/core.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "base/executor.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/text.h"
#include "server/access/authorizer.h"
#include "server/access/cubbyholes.h"
#include "server/access/policy_store.h"
#include "server/access/role_store.h"
#include "server/access/token_expirer.h"
#include "server/access/token_store.h"
#include "server/api/api.h"
#include "server/bus/bus.h"
#include "server/journal/journal.h"
#include "server/journal/trim.h"
#include "server/mounts/lease_manager.h"
#include "server/mounts/mount_manager.h"
#include "server/mounts/periodic_rollback.h"
#include "server/mounts/router.h"
#include "server/plugin_host/plugin_host.h"
#include "server/process/lifecycle.h"
#include "server/storage/committer.h"
#include "server/storage/storage.h"
#include "server/subscriptions/followers.h"
#include "server/subscriptions/subscribers.h"

namespace belfry {
namespace {

using RootKind = access::TokenStore::RootKind;

// The Vault whose behaviour clients and plugins may count on.
constexpr char kVaultVersion[] = "1.21.0";
// For what waits for storage.
constexpr std::size_t kBlockingThreads = 8;
// For what waits for plugins: mounts and plugins that are changed at the same time.
constexpr std::size_t kPluginThreads = 64;
constexpr std::size_t kLeaseThreads = 2;
constexpr std::size_t kFilterThreads = 2;
constexpr std::size_t kFollowerThreads = 2;
constexpr char kTokens[] = "sys/token/";
constexpr std::string_view kTokenPrefix = "hvs.";

// A new, empty folder that only this user may enter. Short: a socket's path has a hundred bytes.
absl::StatusOr<std::string> MakeSocketDirectory() {
  std::error_code error;
  std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error || parent.native().size() > 40) parent = "/tmp";
  std::string path = (parent / "belfry-XXXXXX").string();
  if (mkdtemp(path.data()) != nullptr) return path;
  return absl::UnavailableError(Concat({"cannot make a folder for sockets in ", parent.native()}));
}

absl::Status Store(storage::PhysicalStorage* storage, const Clock* clock, std::string_view secret,
                   RootKind kind) {
  const std::unique_ptr<storage::Storage> committer = storage::NewCommitter(storage, nullptr);
  const std::unique_ptr<storage::Storage> view = storage::NewView(committer.get(), kTokens);
  const auto tokens = access::TokenStore::Open(view.get(), clock);
  if (!tokens.ok()) return tokens.status();
  return (*tokens)->CreateRoot(secret, kind).status();
}

class CoreImpl final : public Core {
 public:
  CoreImpl(CoreConfig config, CoreEnvironment environment)
      : config_(std::move(config)), environment_(std::move(environment)) {}

  ~CoreImpl() override {
    if (!stopped_) {
      BeginStop();
      Stop();
    }
    // What ends with the last requests may still need the executors.
    explain_executor_.reset();
    plugin_executor_.reset();
    executor_.reset();
    // Their turns ask policies and tokens.
    followers_.Stop();
    // Nobody makes tokens any more.
    token_expirer_.reset();
  }

  absl::Status Start() override {
    // Before anything is committed.
    if (absl::Status status = OpenJournal(); !status.ok()) return status;
    absl::StatusOr<process::ServerNames> names =
        process::OpenServerNames(storage(), config_.cluster_name);
    if (!names.ok()) return names.status();
    names_ = *std::move(names);
    if (absl::Status status = StartPlugins(); !status.ok()) return status;
    if (absl::Status status = StartMounts(); !status.ok()) return status;
    if (absl::Status status = OpenAccess(); !status.ok()) return status;
    StartApi();
    if (config_.mount_secret) {
      if (absl::Status status = MountSecret(); !status.ok()) return status;
    }
    StartPeriodicWork();
    return absl::OkStatus();
  }

  api::Api* Api() override { return api_.get(); }
  const process::ServerNames& Names() const override { return names_; }
  absl::StatusOr<std::string> NewRootToken() override {
    std::string secret = NewRootSecret();
    if (auto made = tokens_->CreateRoot(secret, RootKind::kGenerated); !made.ok())
      return made.status();
    return secret;
  }

  void DeclarePlugins(std::vector<mounts::PluginEntry> plugins) override {
    plugins_->Declare(std::move(plugins));
  }

  void BeginStop() override {
    MutexLock lock(&stop_mutex_);
    if (std::exchange(stopping_, true)) return;
    if (plugins_) StopPluginsSoon();
  }

  void Stop() override {
    stopped_ = true;
    subscribers_.EndAll("the server is sealed");
    periodic_rollback_.reset();
    trimming_.reset();
    if (leases_) leases_->Stop();
    // Requests under way end here.
    if (mounts_) mounts_->Stop();
  }

 private:
  absl::Status OpenJournal() {
    journal_.OnMore([this, storage = storage()] {
      followers_.OnMore();
      TrimJournal(storage);
    });
    return journal_.Open();
  }

  void TrimJournal(storage::Storage* storage) {
    journal::Trim(journal_, *storage, clock()->Now(), LoggerOf("journal"));
  }

  absl::Status StartPlugins() {
    absl::StatusOr<std::string> sockets = MakeSocketDirectory();
    if (!sockets.ok()) return sockets.status();
    const std::string folder = *sockets;
    plugin_host::Options options{.plugin_directories = config_.plugin_directories,
                                 .socket_directory = *std::move(sockets),
                                 .guard_program = config_.guard_program,
                                 .vault_version = kVaultVersion,
                                 .limits = limits()};
    auto plugins = plugin_host::PluginHost::Create(std::move(options), storage(), clock(),
                                                   metrics(), LoggerOf("plugins"));
    if (!plugins.ok()) {
      // Nobody has taken charge of it.
      std::error_code ignored;
      std::filesystem::remove(folder, ignored);
      return plugins.status();
    }
    (*plugins)->Declare(config_.plugins);
    MutexLock lock(&stop_mutex_);
    plugins_ = *std::move(plugins);
    if (stopping_) StopPluginsSoon();
    return absl::OkStatus();
  }

  // Those that do not answer, or do not end, are killed in time for all that waits for them.
  void StopPluginsSoon() const {
    plugins_->BeginStop(limits().server_stop_timeout - limits().plugin_stop_timeout);
  }

  absl::Status OpenAccess() {
    auto policies = access::PolicyStore::Open(policy_storage_.get(), limits());
    if (!policies.ok()) return policies.status();
    policies_ = *std::move(policies);
    // Those that end as they are read leave strays: there may be many, and what hangs on them is
    // looked for once, below.
    auto tokens = access::TokenStore::Open(token_storage_.get(), clock(),
                                           [this](const access::TokenEntry& token) {
                                             if (tokens_ != nullptr) ForgetToken(token);
                                           });
    if (!tokens.ok()) return tokens.status();
    tokens_ = *std::move(tokens);
    // Also what a token left whose end an earlier process did not live to see through.
    absl::Status status =
        cubbyholes_.DropStrays([this](const std::string& id) { return tokens_->Knows(id); });
    if (!status.ok()) return status;
    leases_->RevokeStrays(
        [this](std::string_view accessor) { return tokens_->KnowsAccessor(accessor); });
    token_expirer_ = std::make_unique<access::TokenExpirer>(tokens_.get(), clock(), scheduler(),
                                                            lease_executor_.get());
    return absl::OkStatus();
  }

  absl::Status StartMounts() {
    leases_ = mounts::LeaseManager::Create({.router = &router_,
                                            .storage = storage(),
                                            .clock = clock(),
                                            .scheduler = scheduler(),
                                            .executor = lease_executor_.get(),
                                            .metrics = metrics(),
                                            .limits = limits(),
                                            .logger = LoggerOf("leases")});
    mounts_ = mounts::MountManager::Create({.router = &router_,
                                            .leases = leases_.get(),
                                            .storage = storage(),
                                            .factory = plugins_.get(),
                                            .limits = limits(),
                                            .logger = LoggerOf("mounts")});
    if (absl::Status status = mounts_->Start(); !status.ok()) return status;
    return leases_->Start();
  }

  // What hangs on a token goes with it.
  void ForgetToken(const access::TokenEntry& token) {
    const auto check = [this, accessor = token.accessor](const absl::Status& status) {
      if (status.ok()) return;
      environment_.logger.Error("token cleanup incomplete",
                                {{"accessor", accessor}, {"error", std::string(status.message())}});
    };
    policies_->OnTokenEnd(token.policies, token.id);
    check(cubbyholes_.Clear(token));
    leases_->Revoke({.token_accessor = token.accessor}, mounts::RevokeMode::kQueue, check);
  }

  void StartApi() {
    authorizer_ = access::NewAuthorizer(policies_.get(), tokens_.get(), clock());
    executor_ = NewThreadPool(kBlockingThreads);
    plugin_executor_ = NewElasticPool(kPluginThreads, 0);
    explain_executor_ = NewThreadPool(1);
    api_ = api::Api::Create({.host = {.authorizer = authorizer_.get(),
                                      .policies = policies_.get(),
                                      .tokens = tokens_.get(),
                                      .roles = &roles_,
                                      .cubbyholes = &cubbyholes_,
                                      .router = &router_,
                                      .mounts = mounts_.get(),
                                      .catalog = plugins_.get(),
                                      .leases = leases_.get(),
                                      .barrier = environment_.barrier,
                                      .subscriptions = {.authorizer = authorizer_.get(),
                                                        .bus = bus_.get(),
                                                        .followers = &followers_,
                                                        .subscribers = &subscribers_,
                                                        .limits = limits()},
                                      .clock = clock(),
                                      .executor = executor_.get(),
                                      .plugin_executor = plugin_executor_.get(),
                                      .explain_executor = explain_executor_.get(),
                                      .scheduler = scheduler(),
                                      .metrics = metrics(),
                                      .limits = limits(),
                                      .version = config_.version,
                                      .api_address = config_.api_address,
                                      .logger = LoggerOf("api")}});
  }

  // What dev mode has from the beginning.
  absl::Status MountSecret() {
    if (router_.At("secret/") != nullptr) return absl::OkStatus();
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
        mounts::PeriodicRollback::Start({.router = &router_,
                                         .clock = clock(),
                                         .scheduler = scheduler(),
                                         .interval = config_.periodic_interval,
                                         .request_limit = limits().max_request_duration,
                                         .logger = LoggerOf("mounts")});
    // In memory the committing thread does what others have brought: not the scheduler's thread.
    trimming_ = Repeat(scheduler(), absl::Minutes(1),
                       [this] { lease_executor_->PostAlways([this] { TrimJournal(storage()); }); });
  }

  const Limits& limits() const { return environment_.limits; }
  storage::Storage* storage() const { return storage_.get(); }
  const Clock* clock() const { return environment_.clock; }
  Scheduler* scheduler() const { return environment_.scheduler; }
  Metrics* metrics() const { return environment_.metrics; }
  Logger LoggerOf(std::string_view room) const { return environment_.logger.Named(room); }

  const CoreConfig config_;
  const CoreEnvironment environment_;
  // The end may begin while the core starts.
  Mutex stop_mutex_;
  bool stopping_ ABSL_GUARDED_BY(stop_mutex_) = false;
  bool stopped_ = false;
  process::ServerNames names_;
  subscriptions::Subscribers subscribers_;
  const std::unique_ptr<bus::Bus> bus_ =
      bus::Bus::Create(clock(), metrics(), limits(), NewThreadPool(kFilterThreads));
  journal::Journal journal_{environment_.storage, metrics(), config_.journal};
  subscriptions::Followers followers_{
      &journal_,          clock(), scheduler(), metrics(), NewThreadPool(kFollowerThreads),
      LoggerOf("journal")};
  const std::unique_ptr<storage::Storage> storage_ =
      storage::NewCommitter(environment_.storage, bus_.get(), &journal_);
  const std::unique_ptr<storage::Storage> policy_storage_ =
      storage::NewView(storage(), "sys/policy/");
  const std::unique_ptr<storage::Storage> token_storage_ = storage::NewView(storage(), kTokens);
  const std::unique_ptr<storage::Storage> role_storage_ =
      storage::NewView(storage(), "sys/token-role/");
  const std::unique_ptr<storage::Storage> cubbyhole_storage_ =
      storage::NewView(storage(), "sys/cubbyhole/");
  std::unique_ptr<plugin_host::PluginHost> plugins_;
  const std::unique_ptr<Executor> lease_executor_ = NewThreadPool(kLeaseThreads);
  mounts::MountRouter router_;
  std::unique_ptr<mounts::LeaseManager> leases_;
  std::unique_ptr<mounts::MountManager> mounts_;
  std::unique_ptr<mounts::PeriodicRollback> periodic_rollback_;
  std::unique_ptr<Timer> trimming_;
  std::unique_ptr<access::PolicyStore> policies_;
  access::RoleStore roles_{role_storage_.get()};
  access::Cubbyholes cubbyholes_{cubbyhole_storage_.get(), clock()};
  std::unique_ptr<access::TokenStore> tokens_;
  std::unique_ptr<access::TokenExpirer> token_expirer_;
  std::unique_ptr<access::Authorizer> authorizer_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Executor> plugin_executor_;
  std::unique_ptr<Executor> explain_executor_;
};

}  // namespace

std::unique_ptr<Core> Core::Create(CoreConfig config, CoreEnvironment environment) {
  return std::make_unique<CoreImpl>(std::move(config), std::move(environment));
}

// What sets one build of the same Vault version apart from another is, in a semantic version, what
// follows '+'; comparisons ignore it.
std::string VersionForClients(const std::string& own) {
  return own.empty() ? kVaultVersion : Concat({kVaultVersion, "+belfry.", own});
}

std::string NewRootSecret() {
  return Concat({kTokenPrefix, RandomBase62(process::kRootTokenLength - kTokenPrefix.size())});
}

absl::Status StoreRootToken(storage::PhysicalStorage* storage, const Clock* clock,
                            std::string_view secret) {
  return Store(storage, clock, secret, RootKind::kGenerated);
}

absl::Status StoreDevRootToken(storage::PhysicalStorage* storage, const Clock* clock,
                               std::string_view secret) {
  return Store(storage, clock, secret, RootKind::kOfDevMode);
}

}  // namespace belfry
