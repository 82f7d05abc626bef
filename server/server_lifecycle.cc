#include "server/server_lifecycle.h"

#include <utility>

#include "base/text.h"
#include "base/wiping.h"

namespace belfry {

ServerLifecycle::ServerLifecycle(seal::SealManager* seal, process::SealableApi* api,
                                 CoreConfig config, CoreEnvironment environment)
    : seal_(seal),
      api_(api),
      environment_(std::move(environment)),
      unsealed_(environment_.metrics->GetGauge(
          "belfry_unsealed", "1 while the server is unsealed and serves secrets, else 0.")),
      config_(std::move(config)) {}

ServerLifecycle::~ServerLifecycle() {
  Seal();
}

process::Lifecycle::Status ServerLifecycle::status() const {
  Status status{.seal = seal_->status()};
  MutexLock lock(&mutex_);
  status.serving = serving_;
  if (serving_) status.names = names_;
  return status;
}

absl::StatusOr<process::Lifecycle::Initialized> ServerLifecycle::Initialize(
    const seal::SealConfiguration& configuration) {
  Initialized made{.shares = {}, .root_token = NewRootSecret()};
  absl::StatusOr<std::vector<seal::SecretBytes>> shares = seal_->Initialize(configuration, [&] {
    return StoreRootToken(environment_.storage, environment_.clock, made.root_token);
  });
  if (!shares.ok()) return shares.status();
  made.shares = *std::move(shares);
  environment_.logger.Info("initialized the storage",
                           {{"shares", std::to_string(configuration.shares)},
                            {"threshold", std::to_string(configuration.threshold)}});
  return made;
}

absl::StatusOr<seal::SecretBytes> ServerLifecycle::InitializeForDev(const std::string& root_token) {
  absl::StatusOr<std::vector<seal::SecretBytes>> shares = seal_->Initialize(
      {.shares = 1, .threshold = 1},
      [&] { return StoreDevRootToken(environment_.storage, environment_.clock, root_token); });
  if (!shares.ok()) return shares.status();
  if (auto unsealed = Unseal(shares->front().Copy()); !unsealed.ok()) return unsealed.status();
  return std::move(shares->front());
}

absl::StatusOr<process::Lifecycle::Status> ServerLifecycle::Unseal(seal::SecretBytes share) {
  return Serve(seal_->Unseal(std::move(share)));
}

absl::StatusOr<process::Lifecycle::Status> ServerLifecycle::UnsealByItself() {
  return Serve(seal_->UnsealByItself());
}

absl::StatusOr<process::Lifecycle::Status> ServerLifecycle::Serve(
    const absl::StatusOr<seal::SealManager::Status>& unsealed) {
  if (!unsealed.ok()) return unsealed.status();
  if (core() != nullptr || unsealed->sealed()) return status();
  if (absl::Status started = StartCore(); !started.ok()) {
    seal_->Seal();
    WipeStacks();
    environment_.logger.Error("the server stays sealed: it could not start what was stored",
                              {{"reason", std::string(ToStd(started.message()))}});
    return started;
  }
  environment_.logger.Info("unsealed");
  return status();
}

absl::Status ServerLifecycle::StartCore() {
  const CoreConfig config = Config();
  const std::shared_ptr<Core> core = Core::Create(config, environment_);
  // From now on BeginStop finds it: plugins that start hold up no end.
  SetCore(core);
  if (absl::Status started = core->Start(); !started.ok()) {
    SetCore(nullptr);
    return started;
  }
  MutexLock declaring(&declaring_);
  // As they have been declared meanwhile.
  if (std::vector<mounts::PluginEntry> plugins = Config().plugins; plugins != config.plugins)
    core->DeclarePlugins(std::move(plugins));
  api_->Unseal(core->Api());
  MutexLock lock(&mutex_);
  serving_ = true;
  unsealed_.Add(1);
  names_ = core->Names();
  return absl::OkStatus();
}

CoreConfig ServerLifecycle::Config() const {
  MutexLock lock(&mutex_);
  return config_;
}

void ServerLifecycle::DeclarePlugins(std::vector<mounts::PluginEntry> plugins) {
  MutexLock declaring(&declaring_);
  std::shared_ptr<Core> serving;
  {
    MutexLock lock(&mutex_);
    config_.plugins = plugins;
    if (serving_) serving = core_;
  }
  if (serving != nullptr) serving->DeclarePlugins(std::move(plugins));
}

void ServerLifecycle::SetCore(std::shared_ptr<Core> core) {
  MutexLock lock(&mutex_);
  core_.swap(core);
}

void ServerLifecycle::ResetUnseal() {
  seal_->ResetUnseal();
}

void ServerLifecycle::BeginStop() {
  if (const auto ending = core()) ending->BeginStop();
}

std::shared_ptr<Core> ServerLifecycle::core() const {
  MutexLock lock(&mutex_);
  return core_;
}

void ServerLifecycle::Seal() {
  std::shared_ptr<Core> ending;
  {
    MutexLock lock(&mutex_);
    if (std::exchange(serving_, false)) unsealed_.Add(-1);
    ending = core_;
  }
  if (ending == nullptr) return seal_->Seal();
  // No request enters any more, and those under way end.
  api_->Seal();
  ending->BeginStop();
  ending->Stop();
  seal_->Seal();
  api_->AwaitRequests();
  {
    MutexLock lock(&mutex_);
    core_ = nullptr;
  }
  ending = nullptr;
  WipeStacks();
  environment_.logger.Info("sealed");
}

void ServerLifecycle::WipeStacks() {
  on_sealed_();
  WipeUnusedStack();
  WipeStacksOfEndedThreads();
}

absl::StatusOr<std::string> ServerLifecycle::NewRootToken(const seal::RootGeneration::Permit&) {
  const auto unsealed = core();
  if (unsealed == nullptr) return absl::UnavailableError("Vault is sealed");
  return unsealed->NewRootToken();
}

}  // namespace belfry
