#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/limits.h"
#include "base/mutex.h"
#include "server/bus/filter.h"
#include "server/bus/lane.h"
#include "server/bus/subscriber.h"
#include "server/storage/accepted_event.h"

namespace belfry::bus {

// What a subscription asks of events. Subscriptions that ask the same are matched once for all.
struct Pattern {
  std::string type;
  std::vector<std::string> namespaces;   // Without slashes around them.
  std::shared_ptr<const Filter> filter;  // Shared with those that ask the same of events.
  // Where there is a filter, who pays for it; otherwise "".
  std::string owner;

  bool operator<(const Pattern& other) const;
  // By type and namespace. The filter is asked later, and elsewhere.
  bool Matches(const storage::AcceptedEvent& event) const;
  // "" without a filter.
  std::string_view FilterText() const { return filter ? filter->text() : std::string_view(); }
};

// The pattern of a subscription that is asked for with these options.
Pattern PatternOf(const SubscribeOptions& options);

// Shared with the subscriptions that ask the same, and by the indexes before and after a change.
using PatternPtr = std::shared_ptr<const Pattern>;

// Those who ask the same.
struct Group {
  // Shared with what waits in the lane.
  std::shared_ptr<const Members> members = std::make_shared<const Members>();
  // Where there is a filter: what waits for it. Shared with the group's earlier and later states
  // and with the thread that empties it.
  std::shared_ptr<Lane> lane;
};

struct ByPattern {
  bool operator()(const PatternPtr& a, const PatternPtr& b) const { return *a < *b; }
};

// Immutable; groups are shared by the indexes before and after a change elsewhere.
using Index = std::map<PatternPtr, std::shared_ptr<const Group>, ByPattern>;

// Who subscribes to what. Those who publish take the index as it is and look at it without a lock;
// a change makes a new one. Thread-safe.
class SubscriptionIndex {
 public:
  // Lanes are made with these limits.
  explicit SubscriptionIndex(const Limits& limits) : limits_(limits) {}

  std::shared_ptr<const Index> Current() const;

  // Returns the pattern that the subscriber is listed under.
  PatternPtr Add(Pattern asked, SubscriberPtr subscriber);

  struct Removed {
    std::size_t subscribers = 0;
    // Nobody uses it any more, if it is not null: it is to be closed.
    std::shared_ptr<Lane> lane;
  };
  // Those that are not listed any more are passed over.
  Removed Remove(const PatternPtr& pattern, std::span<const SubscriberPtr> gone);

  // How many events to publish at once, so that others that commit have their turn soon.
  std::size_t MostEventsAtOnce() const;

 private:
  const Limits limits_;
  // Never held while a sink or an authorizer runs or is destroyed.
  mutable Mutex mutex_;
  std::shared_ptr<const Index> index_ ABSL_GUARDED_BY(mutex_) = std::make_shared<const Index>();
  // Changed with mutex_ held.
  std::atomic<std::size_t> subscribers_ = 0;
};

}  // namespace belfry::bus
