#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/lru_cache.h"

namespace belfry::bus {

// Gives each pair of path and type that events are authorized by a number that no other ever has.
// Kept for those that were seen last, in bounded memory; one that comes back later gets another
// number. Not thread-safe.
class Subjects {
 public:
  std::uint64_t NumberOf(std::string_view path, std::string_view type);
  // What is kept.
  std::size_t bytes() const { return numbers_.bytes(); }

  // Enough for some 8,000 of the usual length.
  static constexpr std::size_t kMaxBytes = 2 * 1024 * 1024;

 private:
  LruCache<std::uint64_t> numbers_{kMaxBytes};
  std::uint64_t last_ = 0;
  std::string key_;  // Kept for its memory.
};

}  // namespace belfry::bus
