#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace belfry::seal {

// What is answered in several places, in Vault's words where golden/http-vault-1.21-seal.jsonl has
// them.

absl::Status Sealed();
// For shares that make no key which opens anything.
absl::Status WrongShares();
absl::Status GivenAlready();
// OK when they are the same. `operation` is for example "rekey".
absl::Status CheckNonce(std::string_view operation, const std::string& right,
                        std::string_view given);

}  // namespace belfry::seal
