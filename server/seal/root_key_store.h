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
#include "server/seal/secret_bytes.h"
#include "server/storage/physical_storage.h"

namespace belfry::seal {

// How the unseal key is shared. One share alone is the key itself.
struct SealConfiguration {
  int shares = 0;
  int threshold = 0;

  // InvalidArgument, in Vault's words, unless 1 <= threshold <= shares <= 255, and more than one of
  // several shares are needed.
  absl::Status Check() const;
};

// A new unseal key, and its shares.
struct UnsealKey {
  SecretBytes key;
  std::vector<SecretBytes> shares;

  // `configuration` has been checked.
  static UnsealKey New(const SealConfiguration& configuration);
};

// What must be known before unsealing: how the unseal key is shared, and the root key, which it
// seals, and which is bound to the configuration. Thread-safe.
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

  // Writes both in their places when `store` commits the batch that it is given.
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
