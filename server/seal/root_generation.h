#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "server/seal/barrier.h"
#include "server/seal/root_key_store.h"
#include "server/seal/secret_bytes.h"
#include "server/seal/share_collection.h"

namespace belfry::seal {

// Collects the shares that allow a new root token, of the recovery key where the server unseals by
// itself; what makes the token asks for the permit. One attempt at a time, which lasts until the
// seal. Errors are InvalidArgument, in Vault's words where they are recorded; Unavailable "Vault is
// sealed" while it is. Waits for the storage. Thread-safe.
class RootGeneration {
 public:
  // Nobody else can make one.
  class Permit {
   private:
    friend class RootGeneration;
    Permit() = default;
  };
  struct Status {
    bool started = false;
    std::string nonce;
    int required = 0;
    int progress = 0;
  };
  struct Given {
    Status status;                 // Of the attempt, also when it has ended with this share.
    std::optional<Permit> permit;  // With the last share that was needed.
    SecretBytes otp;               // Of Begin, with the permit.
  };

  // Both must outlive it.
  RootGeneration(const RootKeyStore* root_keys, const Barrier* barrier)
      : root_keys_(root_keys), barrier_(barrier) {}

  absl::StatusOr<Status> status() const;
  // The one-time pad with which the token is to be handed out is kept until then.
  absl::StatusOr<Status> Begin(SecretBytes otp);
  // Wrong shares all have to be given again, in the same attempt.
  absl::StatusOr<Given> Give(SecretBytes share, std::string_view nonce);
  // No error when there is no attempt.
  absl::Status Cancel();

  // For the seal.
  void Drop();

 private:
  struct Attempt {
    SecretBytes otp;
    ShareCollection given;
  };

  Status StatusLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const RootKeyStore* const root_keys_;
  const Barrier* const barrier_;
  mutable Mutex mutex_;
  std::optional<Attempt> attempt_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::seal
