#include "server/bus/bus.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/glob.h"
#include "base/mutex.h"
#include "server/bus/lane.h"
#include "server/bus/prepared.h"
#include "server/bus/subjects.h"
#include "server/bus/subscriber.h"

namespace belfry::bus {
namespace {

// After so long the filter of a group lets those of others have their turn.
constexpr std::chrono::milliseconds kFilterTurn{1};

// At once the bus wants at most so many pairs of event and subscription, but no fewer than so many
// events: between two turns others commit. A pair that no decision is kept of costs about a
// microsecond.
constexpr std::size_t kMostPairsInATurn = 16384;
constexpr std::size_t kFewestEventsInATurn = 32;

std::string_view TrimSlashes(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

// What a subscription asks of events. Subscriptions that ask the same are matched once for all.
struct Pattern {
  std::string type;
  std::vector<std::string> namespaces;
  std::shared_ptr<const Filter> filter;  // Shared with whoever subscribes.

  bool operator<(const Pattern& other) const {
    return std::forward_as_tuple(type, namespaces, FilterText()) <
           std::forward_as_tuple(other.type, other.namespaces, other.FilterText());
  }

  // By type and namespace. The filter is asked later, and elsewhere.
  bool Matches(const Prepared& event) const {
    const std::string_view space = TrimSlashes(event.event().name_space);
    const auto matches = [space](const std::string& pattern) {
      return GlobMatches(pattern, space);
    };
    return std::any_of(namespaces.begin(), namespaces.end(), matches) &&
           GlobMatches(type, event.event().type);
  }

 private:
  std::string_view FilterText() const { return filter ? filter->text() : std::string_view(); }
};

// Shared with the subscriptions that ask the same, and by the indexes before and after a change.
using PatternPtr = std::shared_ptr<const Pattern>;

// Those who ask the same.
struct Group {
  // Shared with what waits in the lane.
  std::shared_ptr<const Members> members = std::make_shared<const Members>();
  // Where there is a filter: what waits for it. Shared with the group's earlier and later states
  // and with whoever empties it.
  std::shared_ptr<Lane> lane;
};

struct ByPattern {
  bool operator()(const PatternPtr& a, const PatternPtr& b) const { return *a < *b; }
};

// Immutable; groups are shared by the indexes before and after a change elsewhere.
using Index = std::map<PatternPtr, std::shared_ptr<const Group>, ByPattern>;

// What became of the pairs of event and subscriber that were considered.
struct Tally {
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t denied = 0;
  std::uint64_t published = 0;
  std::uint64_t missed = 0;
  std::uint64_t abandoned = 0;

  // It had ended before it could get one.
  void Lost(const Subscriber& subscriber, std::uint64_t events = 1) {
    (subscriber.too_slow ? missed : abandoned) += events;
  }
  // Nothing of what waited will be offered.
  void Lost(const Lane::Items& items) {
    for (const Lane::Item& item : items) {
      const Members& members = *item.admission->members;
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (item.admission->allowed[i]) Lost(*members[i]);
      }
    }
  }
};

class BusImpl final : public Bus {
 public:
  BusImpl(Metrics* metrics, const Limits& limits, std::unique_ptr<Executor> filters)
      : limits_(limits),
        published_(metrics->GetCounter("belfry_events_published_total",
                                       "Accepted events times the subscriptions of that moment.")),
        delivered_(metrics->GetCounter("belfry_events_delivered_total",
                                       "Events that a subscriber's queue accepted.")),
        filtered_(metrics->GetCounter(
            "belfry_events_filtered_total",
            "Events that a subscriber did not ask for, by type, namespace or filter.")),
        denied_(metrics->GetCounter("belfry_events_denied_total",
                                    "Events that a subscriber may not see.")),
        missed_(metrics->GetCounter(
            "belfry_events_missed_total",
            "Events that a subscriber was too slow for; it was told and its subscription ended.")),
        abandoned_(metrics->GetCounter("belfry_events_abandoned_total",
                                       "Events whose subscriber had left in the meantime.")),
        subscriptions_(metrics->GetGauge("belfry_events_subscriptions", "Subscriptions open.")),
        filters_(filters.get()),
        filters_owner_(std::move(filters)) {}

  void OnEvents(std::span<const storage::AcceptedEvent> events) override;
  std::size_t MostEventsAtOnce() const override;
  std::unique_ptr<Subscription> Subscribe(SubscribeOptions options) override;

  // Takes the subscribers out of the index; those that are not in it any more are passed over.
  void Remove(const PatternPtr& pattern, std::span<const SubscriberPtr> gone);

 private:
  struct Ended {
    PatternPtr pattern;
    std::vector<SubscriberPtr> members;
  };
  struct Awoken {
    PatternPtr pattern;
    std::shared_ptr<Lane> lane;
  };
  // What is to be done when all have been offered.
  struct Rest {
    std::vector<Ended> ended;
    std::vector<Awoken> awoken;
    std::vector<SubscriberPtr> overflowed;
  };
  using Wanted = std::span<Prepared* const>;

  std::shared_ptr<const Index> CurrentIndex() const {
    MutexLock lock(&index_mutex_);
    return index_;
  }

  Rest OfferInOrder(std::span<const storage::AcceptedEvent> events);
  static std::vector<SubscriberPtr> OfferToGroup(const Group& group, Wanted wanted, Tally& tally);
  static bool MaySee(Subscriber& subscriber, Prepared& event);
  static bool OfferToSubscriber(Subscriber& subscriber, Wanted wanted, Tally& tally);
  // Of groups with a filter.
  static std::vector<std::uint64_t> RefreshAuthorizers(const Members& members);
  static std::vector<bool> WhoMaySee(const Members& members, Prepared& event, Tally& tally);
  static void AppendToLane(const PatternPtr& pattern, const Group& group, Wanted wanted,
                           Tally& tally, Rest& rest);
  static void OnLaneFull(const PatternPtr& pattern, const Group& group, std::size_t not_authorized,
                         Tally& tally, Rest& rest);
  void EmptyLater(Awoken awoken);
  void EmptyLane(Awoken awoken);
  static void AskFilter(const Filter& filter, const Lane::Item& item, Tally& tally,
                        std::vector<SubscriberPtr>& gone);
  static bool OfferOne(Subscriber& subscriber, const Frame& frame, std::uint64_t policy_version,
                       Tally& tally);
  void Count(const Tally& tally);

  const Limits limits_;
  Counter& published_;
  Counter& delivered_;
  Counter& filtered_;
  Counter& denied_;
  Counter& missed_;
  Counter& abandoned_;
  Gauge& subscriptions_;

  Subjects subjects_;  // Of whoever calls OnEvents.

  // Never held while a sink or an authorizer runs or is destroyed.
  mutable Mutex index_mutex_;
  std::shared_ptr<const Index> index_ ABSL_GUARDED_BY(index_mutex_) =
      std::make_shared<const Index>();

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
  Pattern asked{.type = std::move(options.type_pattern), .filter = std::move(options.filter)};
  for (const std::string& space : options.namespace_patterns) {
    asked.namespaces.emplace_back(TrimSlashes(space));
  }
  if (asked.namespaces.empty()) asked.namespaces.emplace_back();
  auto pattern = std::make_shared<const Pattern>(std::move(asked));
  auto subscriber = std::make_shared<Subscriber>(std::move(options));

  std::shared_ptr<const Index> old;  // Destroyed after the lock: it may be the last to hold others.
  {
    MutexLock lock(&index_mutex_);
    auto index = std::make_shared<Index>(*index_);
    const auto entry = index->try_emplace(pattern).first;
    pattern = entry->first;  // One filter for all who ask the same.
    std::shared_ptr<const Group>& group = entry->second;
    auto grown = group ? std::make_shared<Group>(*group) : std::make_shared<Group>();
    if (pattern->filter && !grown->lane) grown->lane = std::make_shared<Lane>(limits_);
    Members members = *grown->members;
    members.push_back(subscriber);
    grown->members = std::make_shared<const Members>(std::move(members));
    group = std::move(grown);
    old = std::exchange(index_, std::move(index));
  }
  subscriptions_.Add(1);
  return std::make_unique<SubscriptionImpl>(this, std::move(pattern), std::move(subscriber));
}

void BusImpl::Remove(const PatternPtr& pattern, std::span<const SubscriberPtr> gone) {
  std::shared_ptr<const Index> old;  // Destroyed after the lock, with what only it held.
  std::shared_ptr<Lane> unused;
  std::int64_t removed = 0;
  {
    MutexLock lock(&index_mutex_);
    const auto found = index_->find(pattern);
    if (found == index_->end()) return;
    auto group = std::make_shared<Group>(*found->second);
    Members members = *group->members;
    removed = static_cast<std::int64_t>(std::erase_if(members, [gone](const auto& member) {
      return std::find(gone.begin(), gone.end(), member) != gone.end();
    }));
    if (removed == 0) return;
    auto index = std::make_shared<Index>(*index_);
    if (members.empty()) {
      unused = group->lane;
      index->erase(pattern);
    } else {
      group->members = std::make_shared<const Members>(std::move(members));
      (*index)[pattern] = std::move(group);
    }
    old = std::exchange(index_, std::move(index));
  }
  subscriptions_.Add(-removed);
  if (unused == nullptr) return;
  Tally tally;
  tally.Lost(unused->Close());
  Count(tally);
}

std::size_t BusImpl::MostEventsAtOnce() const {
  const auto subscriptions =
      static_cast<std::size_t>(std::max<std::int64_t>(subscriptions_.Value(), 1));
  return std::max(kMostPairsInATurn / subscriptions, kFewestEventsInATurn);
}

void BusImpl::OnEvents(std::span<const storage::AcceptedEvent> events) {
  Rest rest = OfferInOrder(events);
  for (const SubscriberPtr& subscriber : rest.overflowed) subscriber->sink->Overflow();
  for (Awoken& awoken : rest.awoken) EmptyLater(std::move(awoken));
  for (const Ended& ended : rest.ended) Remove(ended.pattern, ended.members);
}

BusImpl::Rest BusImpl::OfferInOrder(std::span<const storage::AcceptedEvent> events) {
  Rest rest;
  const std::shared_ptr<const Index> index = CurrentIndex();
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
      if (pattern->Matches(event)) wanted.push_back(&event);
    }
    tally.published += prepared.size() * group->members->size();
    tally.filtered += (prepared.size() - wanted.size()) * group->members->size();
    if (wanted.empty()) continue;
    if (group->lane) {
      AppendToLane(pattern, *group, wanted, tally, rest);
      continue;
    }
    std::vector<SubscriberPtr> gone = OfferToGroup(*group, wanted, tally);
    if (!gone.empty()) rest.ended.push_back({pattern, std::move(gone)});
  }
  Count(tally);
  return rest;
}

// Subscriber by subscriber rather than event by event: its queue is fetched into the cache once for
// all events of the call.
std::vector<SubscriberPtr> BusImpl::OfferToGroup(const Group& group, Wanted wanted, Tally& tally) {
  std::vector<SubscriberPtr> gone;
  for (const SubscriberPtr& subscriber : *group.members) {
    if (OfferToSubscriber(*subscriber, wanted, tally)) continue;
    subscriber->ended = true;
    gone.push_back(subscriber);
  }
  return gone;
}

bool BusImpl::MaySee(Subscriber& subscriber, Prepared& event) {
  const std::uint64_t subject = event.subject();
  if (const std::optional<bool> known = subscriber.decisions.About(subject)) return *known;
  const bool allowed = subscriber.event_authorizer->Allows(event.event().path, event.event().type);
  subscriber.decisions.Keep(subject, allowed);
  return allowed;
}

bool BusImpl::OfferToSubscriber(Subscriber& subscriber, Wanted wanted, Tally& tally) {
  const std::uint64_t policy_version = subscriber.event_authorizer->Refresh();
  subscriber.decisions.Begin(policy_version);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::size_t rest = wanted.size() - i;
    if (subscriber.ended) {
      tally.abandoned += rest;
      return false;
    }
    if (!MaySee(subscriber, *wanted[i])) {
      ++tally.denied;
      continue;
    }
    switch (subscriber.sink->Offer(wanted[i]->In(subscriber.format), policy_version)) {
      case OfferResult::kAccepted:
        ++tally.delivered;
        break;
      case OfferResult::kFull:
        tally.missed += rest;
        return false;
      case OfferResult::kClosed:
        tally.abandoned += rest;
        return false;
    }
  }
  return true;
}

std::vector<std::uint64_t> BusImpl::RefreshAuthorizers(const Members& members) {
  std::vector<std::uint64_t> versions;
  versions.reserve(members.size());
  for (const SubscriberPtr& member : members) {
    versions.push_back(member->event_authorizer->Refresh());
    member->decisions.Begin(versions.back());
  }
  return versions;
}

std::vector<bool> BusImpl::WhoMaySee(const Members& members, Prepared& event, Tally& tally) {
  std::vector<bool> allowed(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    Subscriber& member = *members[i];
    if (member.ended) {
      tally.Lost(member);
    } else if (MaySee(member, event)) {
      allowed[i] = true;
    } else {
      ++tally.denied;
    }
  }
  return allowed;
}

// What nobody may see is not even kept for the filter.
void BusImpl::AppendToLane(const PatternPtr& pattern, const Group& group, Wanted wanted,
                           Tally& tally, Rest& rest) {
  const std::vector<std::uint64_t> policy_version = RefreshAuthorizers(*group.members);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::vector<bool> allowed = WhoMaySee(*group.members, *wanted[i], tally);
    const auto allowed_count =
        static_cast<std::uint64_t>(std::count(allowed.begin(), allowed.end(), true));
    if (allowed_count == 0) continue;
    const Lane::Result result =
        group.lane->Append(wanted[i]->Keep(), {.members = group.members,
                                               .policy_version = policy_version,
                                               .allowed = std::move(allowed)});
    switch (result) {
      case Lane::Result::kWaits:
        break;
      case Lane::Result::kAwoken:
        rest.awoken.push_back({pattern, group.lane});
        break;
      case Lane::Result::kClosed:
        tally.abandoned += allowed_count;
        break;
      case Lane::Result::kFull:
        tally.missed += allowed_count;
        return OnLaneFull(pattern, group, wanted.size() - i - 1, tally, rest);
    }
  }
}

// The group is too slow for its own filter: as when a subscriber's queue is full, what waits and
// what is left of the batch is missed.
void BusImpl::OnLaneFull(const PatternPtr& pattern, const Group& group, std::size_t not_authorized,
                         Tally& tally, Rest& rest) {
  std::vector<SubscriberPtr> gone;
  for (const SubscriberPtr& member : *group.members) {
    if (member->ended) {
      tally.Lost(*member, not_authorized);
      continue;
    }
    member->EndAsTooSlow();
    tally.missed += not_authorized;
    gone.push_back(member);
  }
  tally.Lost(group.lane->TakeAll());
  rest.overflowed.insert(rest.overflowed.end(), gone.begin(), gone.end());
  if (!gone.empty()) rest.ended.push_back({pattern, std::move(gone)});
}

// There are no more of these than lanes: each is emptied by one at a time.
void BusImpl::EmptyLater(Awoken awoken) {
  filters_->PostAlways(
      [this, awoken = std::move(awoken)]() mutable { EmptyLane(std::move(awoken)); });
}

void BusImpl::EmptyLane(Awoken awoken) {
  const auto end = std::chrono::steady_clock::now() + kFilterTurn;
  Tally tally;
  std::vector<SubscriberPtr> gone;
  bool empty = false;
  do {
    const std::optional<Lane::Item> item = awoken.lane->Take();
    empty = !item.has_value();
    if (item) AskFilter(*awoken.pattern->filter, *item, tally, gone);
  } while (!empty && std::chrono::steady_clock::now() < end);
  Count(tally);
  if (!gone.empty()) Remove(awoken.pattern, gone);
  // Others have their turn first.
  if (!empty) EmptyLater(std::move(awoken));
}

void BusImpl::AskFilter(const Filter& filter, const Lane::Item& item, Tally& tally,
                        std::vector<SubscriberPtr>& gone) {
  const Admission& admission = *item.admission;
  std::optional<bool> matches;
  for (std::size_t i = 0; i < admission.members->size(); ++i) {
    if (!admission.allowed[i]) continue;
    const SubscriberPtr& member = (*admission.members)[i];
    if (member->ended) {
      tally.Lost(*member);
      continue;
    }
    if (!matches) matches = filter.Matches(item.event->Fields());
    if (!*matches) {
      ++tally.filtered;
    } else if (!OfferOne(*member, item.event->In(member->format), admission.policy_version[i],
                         tally)) {
      gone.push_back(member);
    }
  }
}

bool BusImpl::OfferOne(Subscriber& subscriber, const Frame& frame, std::uint64_t policy_version,
                       Tally& tally) {
  switch (subscriber.sink->Offer(frame, policy_version)) {
    case OfferResult::kAccepted:
      ++tally.delivered;
      return true;
    case OfferResult::kFull:
      subscriber.EndAsTooSlow();
      ++tally.missed;
      return false;
    case OfferResult::kClosed:
      break;
  }
  tally.Lost(subscriber);
  subscriber.ended = true;
  return false;
}

void BusImpl::Count(const Tally& tally) {
  const auto add = [](Counter& counter, std::uint64_t amount) {
    if (amount > 0) counter.Add(amount);
  };
  add(published_, tally.published);
  add(delivered_, tally.delivered);
  add(filtered_, tally.filtered);
  add(denied_, tally.denied);
  add(missed_, tally.missed);
  add(abandoned_, tally.abandoned);
}

}  // namespace

std::unique_ptr<Bus> Bus::Create(Metrics* metrics, const Limits& limits,
                                 std::unique_ptr<Executor> filters) {
  return std::make_unique<BusImpl>(metrics, limits, std::move(filters));
}

}  // namespace belfry::bus
