#include "server/bus/bus.h"

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "server/bus/delivery.h"
#include "server/bus/lane.h"
#include "server/bus/prepared.h"
#include "server/bus/ready_lanes.h"
#include "server/bus/subjects.h"
#include "server/bus/subscriber.h"
#include "server/bus/subscription_index.h"
#include "server/bus/tally.h"

namespace belfry::bus {
namespace {

// After so long a filter lets others have their turn.
constexpr absl::Duration kFilterTurn = absl::Milliseconds(1);

class BusImpl final : public Bus {
 public:
  BusImpl(const Clock* clock, Metrics* metrics, const Limits& limits,
          std::unique_ptr<Executor> filters)
      : clock_(clock),
        index_(limits),
        counters_(metrics),
        subscriptions_(metrics->GetGauge("belfry_events_subscriptions", "Subscriptions open.")),
        filters_(filters.get()),
        filters_owner_(std::move(filters)) {}

  void OnEvents(std::span<const storage::AcceptedEvent> events) override;
  std::size_t MostEventsAtOnce() const override { return index_.MostEventsAtOnce(); }
  std::unique_ptr<Subscription> Subscribe(SubscribeOptions options) override;

  // Takes the subscribers out of the index; those that are not in it any more are passed over.
  void Remove(const PatternPtr& pattern, std::span<const SubscriberPtr> gone);

 private:
  struct Ended {
    PatternPtr pattern;
    std::vector<SubscriberPtr> members;
  };
  // What is to be done when all have been offered.
  struct Rest {
    std::vector<Ended> ended;
    std::vector<ReadyLane> awoken;
    std::vector<SubscriberPtr> overflowed;
  };

  Rest OfferInOrder(std::span<const storage::AcceptedEvent> events);
  static void OfferToGroup(const PatternPtr& pattern, const Group& group, Wanted wanted,
                           Tally& tally, Rest& rest);
  void EmptyLater(ReadyLane ready);
  void EmptyNextLane();

  const Clock* const clock_;
  SubscriptionIndex index_;
  TallyCounters counters_;
  Gauge& subscriptions_;
  Subjects subjects_;  // Of whoever calls OnEvents.
  ReadyLanes ready_;
  Executor* const filters_;
  // Last, so that what it runs still finds the rest.
  const std::unique_ptr<Executor> filters_owner_;
};

class SubscriptionImpl final : public Subscription {
 public:
  SubscriptionImpl(BusImpl* bus, PatternPtr pattern, SubscriberPtr subscriber)
      : bus_(bus), pattern_(std::move(pattern)), subscriber_(std::move(subscriber)) {}
  ~SubscriptionImpl() override {
    subscriber_->ended = true;
    bus_->Remove(pattern_, {&subscriber_, 1});
  }

 private:
  BusImpl* const bus_;
  const PatternPtr pattern_;
  const SubscriberPtr subscriber_;
};

std::unique_ptr<Subscription> BusImpl::Subscribe(SubscribeOptions options) {
  Pattern asked = PatternOf(options);
  auto subscriber = std::make_shared<Subscriber>(std::move(options));
  PatternPtr pattern = index_.Add(std::move(asked), subscriber);
  subscriptions_.Add(1);
  return std::make_unique<SubscriptionImpl>(this, std::move(pattern), std::move(subscriber));
}

void BusImpl::Remove(const PatternPtr& pattern, std::span<const SubscriberPtr> gone) {
  const SubscriptionIndex::Removed removed = index_.Remove(pattern, gone);
  if (removed.subscribers == 0) return;
  subscriptions_.Add(-static_cast<std::int64_t>(removed.subscribers));
  if (removed.lane == nullptr) return;
  Tally tally;
  tally.Lost(removed.lane->Close());
  counters_.Add(tally);
}

void BusImpl::OnEvents(std::span<const storage::AcceptedEvent> events) {
  Rest rest = OfferInOrder(events);
  for (const SubscriberPtr& subscriber : rest.overflowed) subscriber->sink->Overflow();
  for (ReadyLane& awoken : rest.awoken) EmptyLater(std::move(awoken));
  for (const Ended& ended : rest.ended) Remove(ended.pattern, ended.members);
}

BusImpl::Rest BusImpl::OfferInOrder(std::span<const storage::AcceptedEvent> events) {
  Rest rest;
  const std::shared_ptr<const Index> index = index_.Current();
  if (index->empty()) return rest;
  std::vector<Prepared> prepared;
  prepared.reserve(events.size());
  for (const storage::AcceptedEvent& event : events) prepared.emplace_back(event, &subjects_);
  std::vector<Prepared*> wanted;
  wanted.reserve(events.size());
  Tally tally;
  for (const auto& [pattern, group] : *index) {
    wanted.clear();
    for (Prepared& event : prepared) {
      if (pattern->Matches(event.event())) wanted.push_back(&event);
    }
    tally.published += prepared.size() * group->members->size();
    tally.filtered += (prepared.size() - wanted.size()) * group->members->size();
    if (!wanted.empty()) OfferToGroup(pattern, *group, wanted, tally, rest);
  }
  counters_.Add(tally);
  return rest;
}

void BusImpl::OfferToGroup(const PatternPtr& pattern, const Group& group, Wanted wanted,
                           Tally& tally, Rest& rest) {
  if (!group.lane) {
    std::vector<SubscriberPtr> gone = OfferToMembers(*group.members, wanted, tally);
    if (!gone.empty()) rest.ended.push_back({pattern, std::move(gone)});
    return;
  }
  Queued queued = QueueForFilter(group.members, *group.lane, wanted, tally);
  if (queued.awoken) rest.awoken.push_back({pattern, group.lane});
  if (queued.overflowed.empty()) return;
  rest.overflowed.insert(rest.overflowed.end(), queued.overflowed.begin(), queued.overflowed.end());
  rest.ended.push_back({pattern, std::move(queued.overflowed)});
}

// There are no more of these than lanes: each is emptied by one at a time. Which lane a piece of
// work empties is decided when it runs, by whose turn it is.
void BusImpl::EmptyLater(ReadyLane ready) {
  ready_.Add(std::move(ready));
  filters_->PostAlways([this] { EmptyNextLane(); });
}

void BusImpl::EmptyNextLane() {
  std::optional<ReadyLane> ready = ready_.Next();
  if (!ready) return;
  Tally tally;
  const FilterTurn turn = AskFilter(*ready->pattern->filter, *ready->lane, *clock_,
                                    clock_->Steady() + kFilterTurn, tally);
  counters_.Add(tally);
  if (!turn.gone.empty()) Remove(ready->pattern, turn.gone);
  // Others have their turn first.
  if (!turn.empty) EmptyLater(*std::move(ready));
}

}  // namespace

std::unique_ptr<Bus> Bus::Create(const Clock* clock, Metrics* metrics, const Limits& limits,
                                 std::unique_ptr<Executor> filters) {
  return std::make_unique<BusImpl>(clock, metrics, limits, std::move(filters));
}

}  // namespace belfry::bus
