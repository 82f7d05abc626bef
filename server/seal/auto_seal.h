#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/seal/seal_options.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// What keeps the unseal key for a server that unseals by itself. Errors are FailedPrecondition,
// one sentence each, and name no secret. Both calls wait: for a file or for a program. Thread-safe.
class AutoSeal {
 public:
  virtual ~AutoSeal() = default;
  virtual SealKind kind() const = 0;
  // Only Unwrap makes the key of it again.
  virtual absl::StatusOr<std::string> Wrap(const SecretBytes& key) const = 0;
  virtual absl::StatusOr<SecretBytes> Unwrap(std::string_view wrapped) const = 0;
};

// Null for kShamir. Looks at nothing yet.
std::unique_ptr<AutoSeal> NewAutoSeal(const SealOptions& options);

}  // namespace belfry::seal
