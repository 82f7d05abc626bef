#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// AES-256-GCM under one key. Each nonce is 96 random bits: a key must not encrypt more than some
// 2^32 times (docs/decisions/0013-barrier.md). Thread-safe.
class Aead {
 public:
  static constexpr std::size_t kKeyBytes = 32;
  static constexpr std::size_t kOverheadBytes = 12 + 16;  // Nonce in front, tag at the end.

  // The key may go afterwards.
  explicit Aead(const SecretBytes& key);
  ~Aead();

  // Appends to `sealed`. `context` is authenticated, not stored.
  void Seal(std::string_view plain, std::string_view context, std::string* sealed) const;
  // Writes sealed.size() - kOverheadBytes bytes to `plain`. False if `sealed` was not made with
  // this key and this context; what `plain` holds means nothing then.
  bool Open(std::string_view sealed, std::string_view context, char* plain) const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace belfry::seal
