#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// Seals the names of keys so that the same name is sealed alike: what lies in a folder can then be
// found by the sealed name of the folder. Each part between slashes is sealed on its own, bound to
// the folders above it; empty parts stay empty. How many parts a name has, how long they are and
// which keys share a folder can still be seen. Thread-safe.
//
// A part becomes, in URL-safe base64, V and AES-256-CTR(part, IV = V), where V is the first half of
// HMAC-SHA-256(sealed folders, part): a synthetic IV, by the construction of Rogaway and Shrimpton.
class NameCipher {
 public:
  static constexpr std::size_t kKeyBytes = 2 * 32;

  // The key may go afterwards.
  explicit NameCipher(const SecretBytes& key);
  ~NameCipher();

  std::string Seal(std::string_view path) const;
  // nullopt if the path, or the part below the sealed folder, was not sealed with this key, or not
  // for this place. `folder` is empty or ends in '/'.
  std::optional<std::string> Open(std::string_view sealed_path) const;
  std::optional<std::string> OpenPart(std::string_view sealed_folder, std::string_view part) const;

 private:
  struct State;

  void AppendPart(std::string_view part, std::string* sealed_folder) const;

  const std::unique_ptr<State> state_;
};

}  // namespace belfry::seal
