#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/bus/lane.h"
#include "server/bus/subscription_index.h"

namespace belfry::bus {

// A lane in which events wait, and what they wait for.
struct ReadyLane {
  PatternPtr pattern;          // With a filter. Shared with the index.
  std::shared_ptr<Lane> lane;  // Shared with the pattern's group.
};

// The lanes that wait to be emptied. The owners of their subscriptions take turns, one lane each,
// and the lanes of an owner come in the order in which they were added: however many lanes one
// owner has, each of the others waits for one of them. Never blocks for long. Thread-safe.
class ReadyLanes {
 public:
  void Add(ReadyLane ready);
  // Takes out the lane whose turn it is. nullopt: none waits.
  std::optional<ReadyLane> Next();

 private:
  using ByOwner = std::map<std::string, std::list<ReadyLane>, std::less<>>;

  Mutex mutex_;
  // Owners of whom something waits.
  ByOwner waiting_ ABSL_GUARDED_BY(mutex_);
  // The same owners; the next is in front.
  std::deque<ByOwner::iterator> turns_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::bus
