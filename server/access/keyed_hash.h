#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace belfry::access {

// HMAC-SHA-256 under one key, made ready once: what every request needs does no more than hash.
// Thread-safe.
class KeyedHash {
 public:
  explicit KeyedHash(std::string_view key);
  ~KeyedHash();

  // In hex.
  std::string Of(std::string_view text) const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace belfry::access
