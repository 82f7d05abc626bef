#include "server/mounts/mount_moves.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"

namespace belfry::mounts {

std::string MountMoves::Note(std::string source, std::string target) {
  MountMove move{.id = NewUuid(), .source = std::move(source), .target = std::move(target)};
  MutexLock lock(&mutex_);
  if (moves_.size() == kMost) moves_.pop_front();
  return moves_.emplace_back(std::move(move)).id;
}

std::optional<MountMove> MountMoves::Find(std::string_view id) const {
  MutexLock lock(&mutex_);
  const auto found = std::ranges::find(moves_, id, &MountMove::id);
  if (found == moves_.end()) return std::nullopt;
  return *found;
}

}  // namespace belfry::mounts
