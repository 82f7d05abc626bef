#pragma once

#include <optional>
#include <string_view>

#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// Base64 with its padding, of keys: no copy is left anywhere. Pure functions, thread-safe.
SecretBytes ToBase64(std::string_view bytes);
// nullopt: this is not how ToBase64 writes anything.
std::optional<SecretBytes> FromBase64(std::string_view text);

}  // namespace belfry::seal
