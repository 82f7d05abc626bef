#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "server/core.h"
#include "server/process/lifecycle.h"
#include "server/process/sealable_api.h"
#include "server/seal/seal_manager.h"

namespace belfry {

// Starts a core when the storage is unsealed, and ends it when that is sealed.
class ServerLifecycle final : public process::Lifecycle {
 public:
  // What the core is started with each time; everything must outlive this. `environment`'s storage
  // and barrier are the seal's.
  ServerLifecycle(seal::SealManager* seal, process::SealableApi* api, CoreConfig config,
                  CoreEnvironment environment);
  // The listeners have ended.
  ~ServerLifecycle() override;

  Status status() const override;
  absl::StatusOr<Initialized> Initialize(const seal::SealConfiguration& configuration) override;
  absl::StatusOr<Status> Unseal(seal::SecretBytes share) override;
  absl::StatusOr<Status> UnsealByItself() override;
  void ResetUnseal() override;
  void Seal() override;
  absl::StatusOr<std::string> NewRootToken(const seal::RootGeneration::Permit& permit) override;
  seal::Rekey& rekey() override { return seal_->rekey(); }
  seal::RootGeneration& root_generation() override { return seal_->root_generation(); }

  // With one share and this root token, and unsealed at once; that share.
  absl::StatusOr<seal::SecretBytes> InitializeForDev(const std::string& root_token);

  // The configuration's, in place of those that it has had before; for a core that runs, and for
  // the next one.
  void DeclarePlugins(std::vector<mounts::PluginEntry> plugins);

  // Called when the storage has been sealed and no request is under way any more, by the thread
  // that has sealed it. To be set before there are requests.
  void OnSealed(std::function<void()> sealed) { on_sealed_ = std::move(sealed); }

  // The end is near, see Core::BeginStop.
  void BeginStop();

 private:
  // What has been unsealed serves, or is sealed again.
  absl::StatusOr<Status> Serve(const absl::StatusOr<seal::SealManager::Status>& unsealed);
  absl::Status StartCore();
  // To be called when nothing that was decrypted is needed any more.
  void WipeStacks();
  void SetCore(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core() const;
  CoreConfig Config() const;

  seal::SealManager* const seal_;
  process::SealableApi* const api_;
  const CoreEnvironment environment_;
  Gauge& unsealed_;
  std::function<void()> on_sealed_ = [] {};
  Mutex declaring_;  // What is declared reaches the core in order. Taken before mutex_.
  mutable Mutex mutex_;
  CoreConfig config_ ABSL_GUARDED_BY(mutex_);
  // Changed by one thread at a time, as all that changes the state. Shared with BeginStop. Also a
  // core that starts.
  std::shared_ptr<Core> core_ ABSL_GUARDED_BY(mutex_);
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  process::ServerNames names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry
