#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "server/seal/auto_seal.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// Has a local program wrap and unwrap, for a KMS or a TPM: it is run with `wrap` or `unwrap` as its
// last argument, reads bytes in base64 on one line from its standard input, and writes the result
// in base64 on its standard output. The key is in no argument, no environment and no file of ours.
class CommandSeal final : public AutoSeal {
 public:
  explicit CommandSeal(SealOptions options) : options_(std::move(options)) {}

  SealKind kind() const override { return SealKind::kCommand; }
  absl::StatusOr<std::string> Wrap(const SecretBytes& key) const override;
  absl::StatusOr<SecretBytes> Unwrap(std::string_view wrapped) const override;

 private:
  absl::StatusOr<SecretBytes> Run(std::string_view verb, std::string_view bytes) const;

  const SealOptions options_;
};

}  // namespace belfry::seal
