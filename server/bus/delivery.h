#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/steady_time.h"
#include "server/bus/filter.h"
#include "server/bus/lane.h"
#include "server/bus/prepared.h"
#include "server/bus/subscriber.h"
#include "server/bus/tally.h"

namespace belfry::bus {

// How events reach those whose pattern they match. Which subscribers there are is not known here:
// the caller takes out of the index those that have ended.

// Events of one call to OnEvents, in order.
using Wanted = std::span<Prepared* const>;

// Offers the events to each member that may see them, in order. Returns those that have ended. One
// call at a time.
std::vector<SubscriberPtr> OfferToMembers(const Members& members, Wanted wanted, Tally& tally);

struct Queued {
  bool awoken = false;                    // The caller has to have the lane emptied.
  std::vector<SubscriberPtr> overflowed;  // Members for whom the filter was too slow: they ended.
};
// Queues the events for the filter that the members share, each if at least one of them may see it.
// One call at a time; never waits for the filter.
Queued QueueForFilter(const std::shared_ptr<const Members>& members, Lane& lane, Wanted wanted,
                      Tally& tally);

struct FilterTurn {
  bool empty = false;               // Nothing waits: the next event awakes the lane.
  std::vector<SubscriberPtr> gone;  // They have ended.
};
// Asks the filter about what waits in its lane, in order, and offers what it matches. Goes on until
// `end` by the clock, but always takes one event. For one thread at a time.
FilterTurn AskFilter(const Filter& filter, Lane& lane, const Clock& clock, SteadyTime end,
                     Tally& tally);

}  // namespace belfry::bus
