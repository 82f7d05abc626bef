#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"

namespace belfry::mounts {

struct MountMove {
  std::string id;  // A UUID.
  std::string source;
  std::string target;
};

// The moves of this process, for clients that ask what became of theirs: the last kMost of them.
// Thread-safe.
class MountMoves {
 public:
  static constexpr std::size_t kMost = 1000;

  // Returns its id.
  std::string Note(std::string source, std::string target);
  std::optional<MountMove> Find(std::string_view id) const;

 private:
  mutable Mutex mutex_;
  std::deque<MountMove> moves_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::mounts
