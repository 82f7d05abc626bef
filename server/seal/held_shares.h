#pragma once

#include <span>

#include "absl/status/status.h"
#include "server/seal/barrier.h"
#include "server/seal/root_key_store.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// Whether the shares that people hold make the key that allows what they ask for: the unseal key,
// or the recovery key where the server unseals by itself. InvalidArgument, in Vault's words, when
// they do not. Waits for the storage.
absl::Status CheckHeldShares(const RootKeyStore& root_keys, const Barrier& barrier,
                             std::span<const SecretBytes> shares);

}  // namespace belfry::seal
