#pragma once

#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/owner_turns.h"
#include "server/bus/lane.h"
#include "server/bus/subscription_index.h"

namespace belfry::bus {

// A lane in which events wait, and what they wait for.
struct ReadyLane {
  PatternPtr pattern;          // With a filter. Shared with the index.
  std::shared_ptr<Lane> lane;  // Shared with the pattern's group.
};

// The lanes that wait to be emptied, in the turns of their subscriptions' owners. Never blocks for
// long. Thread-safe.
class ReadyLanes {
 public:
  void Add(ReadyLane ready);
  // Takes out the lane whose turn it is. nullopt: none waits.
  std::optional<ReadyLane> Next();

 private:
  Mutex mutex_;
  OwnerTurns<ReadyLane> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::bus
