#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace belfry::kv {

// Names under which keys are stored: who sees the names in a host's storage, but not its decrypted
// values, learns neither a key nor whether a guessed key exists. Each part of a path is encrypted
// by itself (AES-SIV, RFC 5297, bound to the folder it is in), so that folders can be listed. The
// same path always has the same name. Immutable, thread-safe.
class NameCipher {
 public:
  static constexpr std::size_t kKeyBytes = 64;

  // `key`: kKeyBytes of them, random.
  explicit NameCipher(std::string key);
  ~NameCipher();
  NameCipher(const NameCipher&) = delete;
  NameCipher& operator=(const NameCipher&) = delete;

  // "a/b" → "<name of a>/<name of b>"; a '/' at the end stays.
  std::string Encrypt(std::string_view path) const;
  // What is called `name` in the listing of `folder` ("" or "a/b/"); a '/' at the end stays.
  // DataLoss when it was not made with this key.
  absl::StatusOr<std::string> Decrypt(std::string_view folder, std::string_view name) const;

 private:
  std::string EncryptPart(std::string_view folder, std::string_view part) const;

  struct Algorithm;
  const std::string key_;
  const std::unique_ptr<const Algorithm> algorithm_;
};

}  // namespace belfry::kv
