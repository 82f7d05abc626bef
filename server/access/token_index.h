#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/mutex.h"
#include "server/access/token.h"

namespace belfry::access {

// Which token a key stands for: every request asks. Thread-safe; a look-up takes one of many locks,
// which nobody holds for longer than a hash table needs.
class TokenIndex {
 public:
  // nullptr: none.
  std::shared_ptr<const LiveToken> Find(std::string_view key) const;
  void Put(const std::string& key, std::shared_ptr<const LiveToken> token);
  void Erase(const std::string& key);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>()(key);
    }
  };
  struct Shard {
    mutable Mutex mutex;
    std::unordered_map<std::string, std::shared_ptr<const LiveToken>, Hash, std::equal_to<>> tokens
        ABSL_GUARDED_BY(mutex);
  };
  static constexpr std::size_t kShards = 16;

  static std::size_t ShardOf(std::string_view key) { return Hash()(key) % kShards; }

  std::array<Shard, kShards> shards_;
};

}  // namespace belfry::access
