#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/seal/aead.h"
#include "server/seal/keyring.h"
#include "server/seal/name_cipher.h"

namespace belfry::seal {

// The keys of a keyring made ready, and the form of an encrypted value: a version byte, the term in
// four bytes, and AES-256-GCM bound to both and to the name of the key. Thread-safe.
class Ciphers {
 public:
  // What `before`, of an earlier state of the keyring, has made ready is shared; it may be null.
  Ciphers(const Keyring& keyring, const Ciphers* before);

  const NameCipher& names() const { return *names_; }

  // With the active term.
  std::string SealValue(std::string_view key, std::string_view value) const;
  // DataLoss if it was not sealed for this key, or has been changed since.
  absl::StatusOr<std::string> OpenValue(std::string_view key, std::string_view sealed) const;

 private:
  std::shared_ptr<const NameCipher> names_;
  std::vector<std::shared_ptr<const Aead>> terms_;  // From term 1.
};

}  // namespace belfry::seal
