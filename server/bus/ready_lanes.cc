#include "server/bus/ready_lanes.h"

#include <utility>

namespace belfry::bus {

void ReadyLanes::Add(ReadyLane ready) {
  MutexLock lock(&mutex_);
  const auto [owner, is_new] = waiting_.try_emplace(ready.pattern->owner);
  owner->second.push_back(std::move(ready));
  if (is_new) turns_.push_back(owner);
}

std::optional<ReadyLane> ReadyLanes::Next() {
  MutexLock lock(&mutex_);
  if (turns_.empty()) return std::nullopt;
  const ByOwner::iterator owner = turns_.front();
  turns_.pop_front();
  ReadyLane ready = std::move(owner->second.front());
  owner->second.pop_front();
  if (owner->second.empty()) {
    waiting_.erase(owner);
  } else {
    turns_.push_back(owner);
  }
  return ready;
}

}  // namespace belfry::bus
