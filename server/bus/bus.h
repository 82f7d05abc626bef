#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "server/bus/filter.h"
#include "server/encode/encode.h"
#include "server/storage/event_observer.h"

namespace belfry::bus {

using encode::Format;

// One event as it goes out, and what those who may see it are known by.
struct Message {
  std::string bytes;
  std::string path;  // With its mount; "" when the event has none.
  std::string type;
  // What tells of the stream and not of an event is forbidden by no policy.
  enum class Kind { kEvent, kGap, kBookmark };
  Kind kind = Kind::kEvent;
};

// Shared by every subscriber of that format; the last session to send it frees it.
using Frame = std::shared_ptr<const Message>;

// Says what one subscriber may see. Used by one thread at a time; must not block.
class EventAuthorizer {
 public:
  virtual ~EventAuthorizer() = default;
  // Has it decide by the rules of this moment. What was allowed when this returned another number
  // is to be asked again.
  virtual std::uint64_t Refresh() = 0;
  // Whether the subscriber may see such an event, by the rules of the last Refresh. What it said is
  // remembered as long as that returns the same number.
  virtual bool Allows(std::string_view path, std::string_view type) = 0;
};

enum class OfferResult {
  kAccepted,
  kFull,    // The subscriber is too slow: it has been told so and gets nothing more.
  kClosed,  // The subscriber is gone.
};

// Where a subscription's frames go. Called by whoever commits events, and where there is a filter
// by the bus's executor; must neither block nor call back into the bus.
class Sink {
 public:
  virtual ~Sink() = default;
  // One call at a time, in the order of the events.
  // `policy_version` is what the subscription's authorizer returned from Refresh before it allowed
  // the event: if it returns something else when the frame is to be sent, it is to be asked again.
  virtual OfferResult Offer(const Frame& frame, std::uint64_t policy_version) = 0;
  // Its events waited for its filter, and have become too many: as an offer that is answered by
  // kFull, nothing more comes. May be called while an offer is under way.
  virtual void Overflow() = 0;
};

struct SubscribeOptions {
  // Event type, in which '*' stands for any run of characters, '/' included.
  std::string type_pattern;
  // Patterns of the event's namespace without slashes; the root namespace is "". Empty list: root
  // only.
  std::vector<std::string> namespace_patterns;
  // Only what it matches; null: everything. Shared by the subscriptions that ask the same. It is
  // asked by the bus's executor, about what at least one of them may see.
  std::shared_ptr<const Filter> filter;
  // Who subscribes, as a token's accessor: where there is a filter, owners take turns, so that what
  // the filters of one cost holds up only its own subscriptions.
  std::string owner;
  Format format = Format::kProtobuf;
  // What the subscriber may see. Asked by whoever commits events, from several threads but one call
  // at a time, possibly after Subscription's end has begun.
  std::unique_ptr<EventAuthorizer> event_authorizer;
  // Shared: the bus keeps it alive until the subscription ends and, after that, while offers under
  // way run. A sink that owns its Subscription therefore drops it when it is done.
  std::shared_ptr<Sink> sink;
};

// Keeps a subscription; dropping it ends the subscription without waiting for offers under way.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// Routes events to subscribers by type, namespace, permission and filter: OnEvents offers them, in
// their order, to every subscription that may see them; where there is a filter, once that has been
// asked, which it does not wait for. It never waits for a subscriber. Knows no socket. Thread-safe,
// but that OnEvents is called by one thread at a time; outlives its subscriptions.
class Bus : public storage::EventObserver {
 public:
  // `clock` and `metrics` must outlive the bus. Filters are asked on `filters`, never by OnEvents:
  // for each filter of an owner the events wait in a queue with the bounds of a subscriber's.
  // Owners take turns, and so do the filters of one owner.
  static std::unique_ptr<Bus> Create(const Clock* clock, Metrics* metrics, const Limits& limits,
                                     std::unique_ptr<Executor> filters);
  // From its return on, every event committed later is offered.
  virtual std::unique_ptr<Subscription> Subscribe(SubscribeOptions options) = 0;
};

}  // namespace belfry::bus
