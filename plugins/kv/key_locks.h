#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <shared_mutex>
#include <string_view>

namespace belfry::kv {

// One lock for each secret, or for a few that share one: writers of a secret go one after the
// other, so that its events leave in the order of its writes, and no
// reader sees it half written. Never take two at once. Thread-safe.
class KeyLocks {
 public:
  std::shared_mutex& For(std::string_view key) {
    return locks_[std::hash<std::string_view>{}(key) % locks_.size()];
  }

 private:
  std::array<std::shared_mutex, 256> locks_;
};

}  // namespace belfry::kv
