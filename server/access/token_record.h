#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/access/token.h"

namespace belfry::access {

// A token as bytes for the storage, and back. DataLoss when the bytes are no token. Pure.
std::string TokenToBytes(const TokenEntry& entry);
absl::StatusOr<TokenEntry> TokenFromBytes(std::string_view bytes);

}  // namespace belfry::access
