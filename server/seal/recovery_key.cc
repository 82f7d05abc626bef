#include "server/seal/recovery_key.h"

#include <openssl/sha.h>

#include <optional>
#include <string>

#include "base/text.h"
#include "server/seal/openssl.h"

namespace belfry::seal {
namespace {

// Of the barrier, so that its name and value are encrypted.
constexpr std::string_view kPlace = "seal/recovery-key-hash";

// The key is random and as long as its hash: nobody finds it by trying.
std::string HashOf(const SecretBytes& key) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  DemandOpenSsl(EVP_Digest(key.data(), key.size(), AsBytes(hash.data()), nullptr, EVP_sha256(),
                           nullptr) == 1);
  return hash;
}

}  // namespace

storage::WriteBatch RecoveryKeyChange(const SecretBytes& key) {
  storage::WriteBatch batch;
  batch.Put(std::string(kPlace), HashOf(key));
  return batch;
}

absl::Status StoreRecoveryKey(const SecretBytes& key, Barrier* barrier) {
  storage::WriteBatch batch = RecoveryKeyChange(key);
  storage::WriteBatch* const one = &batch;
  return barrier->Write({&one, 1});
}

absl::Status CheckRecoveryKey(const SecretBytes& key, const Barrier& barrier) {
  const absl::StatusOr<std::optional<std::string>> stored = barrier.Get(kPlace);
  if (!stored.ok()) return stored.status();
  if (!*stored) {
    return absl::DataLossError(
        Concat({kPlace, " is missing in an initialized storage; restore a copy of it"}));
  }
  if (SecretBytes::CopyOf(**stored) == SecretBytes::CopyOf(HashOf(key))) return absl::OkStatus();
  return absl::InvalidArgumentError("this is not the recovery key");
}

}  // namespace belfry::seal
