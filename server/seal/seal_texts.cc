#include "server/seal/seal_texts.h"

#include "base/text.h"
#include "server/seal/aead.h"

namespace belfry::seal {

std::string StanzaOf(SealKind kind) {
  return kind == SealKind::kShamir ? "no seal" : Concat({"seal \"", NameOf(kind), "\""});
}

absl::Status Sealed() {
  return absl::UnavailableError("Vault is sealed");
}

absl::Status WrongShares() {
  return absl::InvalidArgumentError("the given keys do not make the unseal key; give them again");
}

absl::Status WrongRecoveryShares() {
  return absl::InvalidArgumentError("the given keys do not make the recovery key; give them again");
}

absl::Status TakesNoUnsealKeys(SealKind kind) {
  return absl::InvalidArgumentError(Concat(
      {"this server unseals by itself (seal type ", NameOf(kind),
       ") and takes no unseal keys; if it stays sealed, its log says why, and after sys/seal "
       "it must be restarted"}));
}

absl::Status GivenAlready() {
  return absl::InvalidArgumentError(
      "given key has already been provided during this generation operation");
}

absl::Status CheckNonce(std::string_view operation, const std::string& right,
                        std::string_view given) {
  if (given == right) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat(
      {"incorrect nonce supplied; nonce for this ", operation, " operation is \"", right, "\""}));
}

absl::Status CheckShareSize(std::size_t bytes) {
  if (bytes < Aead::kKeyBytes) {
    return absl::InvalidArgumentError("invalid key: key is shorter than minimum 32 bytes");
  }
  if (bytes > Aead::kKeyBytes + 1) {
    return absl::InvalidArgumentError("invalid key: key is longer than maximum 33 bytes");
  }
  return absl::OkStatus();
}

}  // namespace belfry::seal
