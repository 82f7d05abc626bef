#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "server/seal/auto_seal.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// Wraps with a key of 32 bytes that a file holds, in base64 on one line, which is read each time.
// Nobody but its owner, who is the server's user or root, may be able to read it: mode 0400 or
// 0600.
class FileSeal final : public AutoSeal {
 public:
  explicit FileSeal(std::string path) : path_(std::move(path)) {}

  SealKind kind() const override { return SealKind::kFile; }
  absl::StatusOr<std::string> Wrap(const SecretBytes& key) const override;
  absl::StatusOr<SecretBytes> Unwrap(std::string_view wrapped) const override;

 private:
  absl::StatusOr<SecretBytes> ReadKey() const;
  absl::StatusOr<SecretBytes> ReadText() const;

  const std::string path_;
};

}  // namespace belfry::seal
