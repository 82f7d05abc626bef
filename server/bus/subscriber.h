#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "server/bus/bus.h"
#include "server/bus/decision_cache.h"

namespace belfry::bus {

// A subscription, as the bus sees it.
struct Subscriber {
  explicit Subscriber(SubscribeOptions options)
      : format(options.format),
        event_authorizer(std::move(options.event_authorizer)),
        sink(std::move(options.sink)) {}

  const Format format;
  // Used by whoever calls Bus::OnEvents.
  const std::unique_ptr<EventAuthorizer> event_authorizer;
  DecisionCache decisions;
  // Shared with the session; see SubscribeOptions.
  const std::shared_ptr<Sink> sink;
  // Nothing is offered any more, even by whoever still holds an index or a lane with this
  // subscriber.
  std::atomic<bool> ended = false;
  // It ended because it was too slow: what it does not get was missed. Set before `ended`.
  std::atomic<bool> too_slow = false;

  void EndAsTooSlow() {
    too_slow = true;
    ended = true;
  }
};

// Shared by the index that lists it, by publishers and lanes at work and by the subscription.
using SubscriberPtr = std::shared_ptr<Subscriber>;
using Members = std::vector<SubscriberPtr>;

}  // namespace belfry::bus
