#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/seal/seal_options.h"

namespace belfry::seal {

// What is answered in several places, in Vault's words where golden/http-vault-1.21-seal.jsonl has
// them.

// What a configuration has, as an operator writes it: "no seal", "seal \"file\"".
std::string StanzaOf(SealKind kind);
absl::Status Sealed();
// For shares that make no key which opens anything.
absl::Status WrongShares();
// The same where they were to make the recovery key.
absl::Status WrongRecoveryShares();
absl::Status GivenAlready();
// InvalidArgument for unseal keys that are given to a server that unseals by itself.
absl::Status TakesNoUnsealKeys(SealKind kind);
// A share is the key itself, or has its x coordinate behind it.
absl::Status CheckShareSize(std::size_t bytes);
// OK when they are the same. `operation` is for example "rekey".
absl::Status CheckNonce(std::string_view operation, const std::string& right,
                        std::string_view given);

}  // namespace belfry::seal
