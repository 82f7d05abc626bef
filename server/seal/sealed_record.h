#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// Keys that a key seals: a version byte, then AES-256-GCM. Bound to that version, to the place
// where it lies, and to `context`, what else must be unchanged. Pure functions, thread-safe.
std::string SealRecord(const SecretBytes& key, std::string_view place, std::string_view context,
                       const SecretBytes& plain);

// InvalidArgument: another key sealed it, or it has been changed. FailedPrecondition: a newer
// version of Belfry wrote it.
absl::StatusOr<SecretBytes> OpenRecord(const SecretBytes& key, std::string_view place,
                                       std::string_view context, std::string_view sealed);

}  // namespace belfry::seal
