#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string_view>

namespace belfry::kv {

// One lock for each secret, or for a few that share one: writers of a secret go one after the
// other, so that its events leave in the order of its writes. Never take two at once. Thread-safe.
class KeyLocks {
 public:
  std::mutex& For(std::string_view key) {
    return locks_[std::hash<std::string_view>{}(key) % locks_.size()];
  }

 private:
  std::array<std::mutex, 256> locks_;
};

}  // namespace belfry::kv
