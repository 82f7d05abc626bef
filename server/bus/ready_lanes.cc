#include "server/bus/ready_lanes.h"

#include <string>
#include <utility>

namespace belfry::bus {

void ReadyLanes::Add(ReadyLane ready) {
  const std::string& owner = ready.pattern->owner;  // Of the pattern, which moves nowhere.
  MutexLock lock(&mutex_);
  waiting_.Add(owner, std::move(ready));
}

std::optional<ReadyLane> ReadyLanes::Next() {
  MutexLock lock(&mutex_);
  return waiting_.Take();
}

}  // namespace belfry::bus
