#include "server/seal/seal_texts.h"

#include "base/text.h"

namespace belfry::seal {

absl::Status Sealed() {
  return absl::UnavailableError("Vault is sealed");
}

absl::Status WrongShares() {
  return absl::InvalidArgumentError("the given keys do not make the unseal key; give them again");
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

}  // namespace belfry::seal
