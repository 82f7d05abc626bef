#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "server/seal/seal_options.h"
#include "server/seal/secret_bytes.h"
#include "server/storage/physical_storage.h"

namespace belfry::seal {

// How a key is shared: the unseal key, or the recovery key (recovery_key.h) where the server
// unseals by itself. One share alone is the key itself.
struct SealConfiguration {
  int shares = 0;
  int threshold = 0;
  SealKind kind = SealKind::kShamir;

  // InvalidArgument, in Vault's words, unless 1 <= threshold <= shares <= 255, and more than one of
  // several shares are needed.
  absl::Status Check() const;
};

// A new key of which there are shares, and these.
struct UnsealKey {
  SecretBytes key;
  std::vector<SecretBytes> shares;

  // `configuration` has been checked.
  static UnsealKey New(const SealConfiguration& configuration);
};

// What must be known before unsealing: the configuration, the root key, which the unseal key seals,
// and which is bound to the configuration, and the wrapped unseal key if the server unseals by
// itself. Thread-safe.
class RootKeyStore {
 public:
  // DataLoss when only a part of it is stored. The storage must outlive it.
  static absl::StatusOr<std::unique_ptr<RootKeyStore>> Open(storage::PhysicalStorage* below);

  // nullopt: not initialized.
  std::optional<SealConfiguration> configuration() const;

  // The unseal key that as many shares as are needed make, and the root key that it opens.
  // InvalidArgument when it opens none.
  struct Opened {
    SecretBytes unseal_key;
    SecretBytes root_key;
  };
  absl::StatusOr<Opened> OpenWith(std::span<const SecretBytes> shares) const;
  // InvalidArgument when it opens none.
  absl::StatusOr<Opened> OpenWithKey(SecretBytes unseal_key) const;

  // The unseal key as the seal has wrapped it, where the server unseals by itself.
  absl::StatusOr<std::string> WrappedUnsealKey() const;

  // Writes both in their places when `store` commits the batch that it is given, to which it adds
  // the wrapped unseal key where the server unseals by itself.
  absl::Status Replace(const SealConfiguration& configuration, const SecretBytes& unseal_key,
                       const SecretBytes& root_key,
                       absl::FunctionRef<absl::Status(storage::WriteBatch)> store);

 private:
  RootKeyStore(storage::PhysicalStorage* below, std::optional<SealConfiguration> configuration)
      : below_(below), configuration_(configuration) {}

  storage::PhysicalStorage* const below_;
  mutable Mutex mutex_;
  std::optional<SealConfiguration> configuration_ ABSL_GUARDED_BY(mutex_);
};

// The key that as many shares as are needed make: right only if it opens something.
absl::StatusOr<SecretBytes> CombineToKey(const SealConfiguration& configuration,
                                         std::span<const SecretBytes> shares);

}  // namespace belfry::seal
