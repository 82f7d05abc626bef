#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/seal/auto_seal.h"
#include "server/seal/barrier.h"
#include "server/seal/rekey.h"
#include "server/seal/root_generation.h"
#include "server/seal/root_key_store.h"
#include "server/seal/secret_bytes.h"
#include "server/seal/share_collection.h"
#include "server/storage/physical_storage.h"

namespace belfry::seal {

// Brings a storage from not initialized to sealed, and from sealed to unsealed and back. Errors are
// in Vault's words where golden/http-vault-1.21-seal.jsonl has them. Calls that change something
// wait for the storage and for each other. Thread-safe.
class SealManager {
 public:
  enum class State { kUninitialized, kInitializing, kSealed, kUnsealed };
  struct Status {
    State state = State::kUninitialized;
    SealConfiguration configuration;  // Zeros: not initialized.
    SealKind kind = SealKind::kShamir;
    int progress = 0;   // Shares of an unsealing that has begun.
    std::string nonce;  // Its name; empty: none has.

    bool initialized() const { return state == State::kSealed || state == State::kUnsealed; }
    bool sealed() const { return state != State::kUnsealed; }
  };

  // All must outlive it; without `auto_seal` people unseal. DataLoss when what is stored cannot be
  // unsealed any more; FailedPrecondition when another kind of seal is stored.
  static absl::StatusOr<std::unique_ptr<SealManager>> Open(storage::PhysicalStorage* below,
                                                           const Clock* clock,
                                                           const AutoSeal* auto_seal = nullptr);

  // Never waits for the storage.
  Status status() const;

  // Makes all keys and gives the shares of the unseal key, which are nowhere else. In between, with
  // the barrier unsealed, `fill` writes what a new storage holds (a root token); it must not call
  // this object but for status() and barrier(). Afterwards the storage is sealed. If it fails, or
  // the process ends before, the storage is not initialized; what was written meanwhile is deleted
  // by the next Initialize. InvalidArgument: a bad configuration, or initialized already. With an
  // auto seal the shares are of the recovery key, and its errors come before anything is written.
  absl::StatusOr<std::vector<SecretBytes>> Initialize(const SealConfiguration& configuration,
                                                      absl::FunctionRef<absl::Status()> fill);

  // Unseals as soon as enough shares have been given; a share that was given before counts once.
  // InvalidArgument: not initialized, or the shares are wrong; then all have to be given again.
  // DataLoss: they are right and the keyring cannot be opened. Unsealed, it changes nothing.
  // InvalidArgument with an auto seal.
  absl::StatusOr<Status> Unseal(SecretBytes share);
  // With the auto seal, for which it waits; its errors, and those of Unseal. Unsealed, it changes
  // nothing.
  absl::StatusOr<Status> UnsealByItself();
  // Forgets the shares that were given.
  void ResetUnseal();
  // Wipes the keys and drops all shares that were given for anything. For the calls that are under
  // way see Barrier::Seal.
  void Seal();

  Barrier& barrier() { return barrier_; }
  Rekey& rekey() { return rekey_; }
  RootGeneration& root_generation() { return root_generation_; }

 private:
  SealManager(storage::PhysicalStorage* below, const Clock* clock, const AutoSeal* auto_seal,
              std::unique_ptr<RootKeyStore> root_keys);

  // What is stored of a new server, and the shares that people get.
  struct NewKeys {
    UnsealKey shared;
    SecretBytes unseal_key;
    SecretBytes root_key;
    std::string wrapped;  // The unseal key, by the auto seal.
  };

  Status StatusLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status BeginInitialize(const SealConfiguration& configuration);
  absl::Status DeleteLeftovers();
  absl::StatusOr<NewKeys> MakeKeys(const SealConfiguration& configuration) const;
  absl::Status Fill(const SealConfiguration& configuration, const NewKeys& keys,
                    absl::FunctionRef<absl::Status()> fill);
  absl::StatusOr<RootKeyStore::Opened> OpenWithAutoSeal() const;
  absl::Status UnsealWith(RootKeyStore::Opened opened);

  storage::PhysicalStorage* const below_;
  const Clock* const clock_;
  const AutoSeal* const auto_seal_;  // Null: people unseal.
  const SealKind kind_;
  const std::unique_ptr<RootKeyStore> root_keys_;
  Barrier barrier_;
  Rekey rekey_;
  RootGeneration root_generation_;
  Mutex changing_;  // Held across the storage, taken before mutex_.
  mutable Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  std::optional<ShareCollection> given_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::seal
