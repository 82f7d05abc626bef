#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "server/seal/barrier.h"
#include "server/seal/secret_bytes.h"
#include "server/storage/write_batch.h"

namespace belfry::seal {

// Allows what the unseal key allows where people hold its shares, a root token for example, and
// opens nothing: only its hash is kept, behind the barrier. What touches the barrier waits for the
// storage, and is Unavailable "Vault is sealed" while it is.

// What the barrier stores, encrypted, when this is the recovery key.
storage::WriteBatch RecoveryKeyChange(const SecretBytes& key);
absl::Status StoreRecoveryKey(const SecretBytes& key, Barrier* barrier);
// InvalidArgument when another one is stored; DataLoss when none is.
absl::Status CheckRecoveryKey(const SecretBytes& key, const Barrier& barrier);

}  // namespace belfry::seal
