#include "server/bus/ready_lanes.h"

#include <utility>

namespace belfry::bus {

void ReadyLanes::Add(ReadyLane ready) {
  const PatternPtr pattern = ready.pattern;
  MutexLock lock(&mutex_);
  waiting_.Add(pattern->owner, std::move(ready));
}

std::optional<ReadyLane> ReadyLanes::Next() {
  MutexLock lock(&mutex_);
  return waiting_.Take();
}

}  // namespace belfry::bus
