#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "server/seal/barrier.h"
#include "server/seal/root_key_store.h"
#include "server/seal/secret_bytes.h"
#include "server/seal/share_collection.h"

namespace belfry::seal {

// Replaces the unseal key and its shares, and the root key with it, once enough of the present
// shares have been given; if that is wanted, only after enough of the new ones have come back.
// Until then the old shares unseal. Where the server unseals by itself, it is the recovery key that
// is replaced so. One attempt at a time, which lasts until the seal. Errors are InvalidArgument, in
// Vault's words where they are recorded; Unavailable "Vault is sealed" while it is; those of the
// auto seal. Waits for the storage, and for the auto seal. Thread-safe.
class Rekey {
 public:
  struct Status {
    bool started = false;
    std::string nonce;
    SealConfiguration wanted;
    int required = 0;  // Present shares.
    int progress = 0;
    bool verification_required = false;
    std::string verification_nonce;  // Empty: there are no new shares yet.
    int verification_progress = 0;   // Of wanted.threshold.
  };
  struct Given {
    Status status;                    // Of the attempt, also when it has ended with this share.
    std::vector<SecretBytes> shares;  // The new ones, after the last of the present ones.
    bool complete = false;            // The new ones count from now on.
  };

  // What the auto seal opens.
  using OpenWithAutoSeal = std::function<absl::StatusOr<RootKeyStore::Opened>()>;

  // Both must outlive it. `open` is asked where the server unseals by itself.
  Rekey(RootKeyStore* root_keys, Barrier* barrier, OpenWithAutoSeal open)
      : root_keys_(root_keys), barrier_(barrier), open_(std::move(open)) {}

  absl::StatusOr<Status> status() const;
  absl::StatusOr<Status> Begin(const SealConfiguration& wanted, bool verification_required);
  // A present share. Wrong ones all have to be given again, in the same attempt.
  absl::StatusOr<Given> Give(SecretBytes share, std::string_view nonce);
  // No error when there is no attempt.
  absl::Status Cancel(std::string_view nonce);

  // "no rekey configuration found" until there are new shares.
  absl::StatusOr<Status> VerificationStatus() const;
  // A new share.
  absl::StatusOr<Given> Verify(SecretBytes share, std::string_view nonce);
  // Forgets the new shares that have come back, and gives a new nonce.
  absl::StatusOr<Status> RestartVerification();

  // For the seal.
  void Drop();

 private:
  struct Attempt {
    SealConfiguration wanted;
    bool verification_required = false;
    ShareCollection present;
    std::optional<UnsealKey> made;
    std::optional<ShareCollection> returned;  // Of the shares of `made`.
  };

  absl::Status NoneInProgress() const;
  Status StatusLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckVerifying() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Install(const UnsealKey& made) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status InstallUnsealKey(const UnsealKey& made) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status InstallRecoveryKey(const UnsealKey& made) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RootKeyStore* const root_keys_;
  Barrier* const barrier_;
  const OpenWithAutoSeal open_;
  mutable Mutex mutex_;  // Held across the storage: the steps of an attempt do not overlap.
  std::optional<Attempt> attempt_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::seal
