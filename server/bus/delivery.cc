#include "server/bus/delivery.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace belfry::bus {
namespace {

bool MaySee(Subscriber& subscriber, Prepared& event) {
  const std::uint64_t subject = event.subject();
  if (const std::optional<bool> known = subscriber.decisions.About(subject)) return *known;
  const bool allowed = subscriber.event_authorizer->Allows(event.event().path, event.event().type);
  subscriber.decisions.Keep(subject, allowed);
  return allowed;
}

bool OfferToSubscriber(Subscriber& subscriber, Wanted wanted, Tally& tally) {
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

std::vector<std::uint64_t> RefreshAuthorizers(const Members& members) {
  std::vector<std::uint64_t> versions;
  versions.reserve(members.size());
  for (const SubscriberPtr& member : members) {
    versions.push_back(member->event_authorizer->Refresh());
    member->decisions.Begin(versions.back());
  }
  return versions;
}

std::vector<bool> WhoMaySee(const Members& members, Prepared& event, Tally& tally) {
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

// The members are too slow for their own filter: as when a subscriber's queue is full, what waits
// and what is left of the batch is missed.
std::vector<SubscriberPtr> EndAsTooSlow(const Members& members, Lane& lane,
                                        std::size_t not_authorized, Tally& tally) {
  std::vector<SubscriberPtr> ended;
  for (const SubscriberPtr& member : members) {
    if (member->ended) {
      tally.Lost(*member, not_authorized);
      continue;
    }
    member->EndAsTooSlow();
    tally.missed += not_authorized;
    ended.push_back(member);
  }
  tally.Lost(lane.TakeAll());
  return ended;
}

// False when the subscriber has ended.
bool OfferOne(Subscriber& subscriber, const Frame& frame, std::uint64_t policy_version,
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

void AskAbout(const Lane::Item& item, const Filter& filter, Tally& tally,
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

}  // namespace

// Subscriber by subscriber rather than event by event: its queue is fetched into the cache once for
// all events of the call.
std::vector<SubscriberPtr> OfferToMembers(const Members& members, Wanted wanted, Tally& tally) {
  std::vector<SubscriberPtr> gone;
  for (const SubscriberPtr& subscriber : members) {
    if (OfferToSubscriber(*subscriber, wanted, tally)) continue;
    subscriber->ended = true;
    gone.push_back(subscriber);
  }
  return gone;
}

// What nobody may see is not even kept for the filter.
Queued QueueForFilter(const std::shared_ptr<const Members>& members, Lane& lane, Wanted wanted,
                      Tally& tally) {
  Queued queued;
  const std::vector<std::uint64_t> policy_version = RefreshAuthorizers(*members);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::vector<bool> allowed = WhoMaySee(*members, *wanted[i], tally);
    const auto allowed_count =
        static_cast<std::uint64_t>(std::count(allowed.begin(), allowed.end(), true));
    if (allowed_count == 0) continue;
    const Lane::Result result = lane.Append(
        wanted[i]->Keep(),
        {.members = members, .policy_version = policy_version, .allowed = std::move(allowed)});
    switch (result) {
      case Lane::Result::kWaits:
        break;
      case Lane::Result::kAwoken:
        queued.awoken = true;
        break;
      case Lane::Result::kClosed:
        tally.abandoned += allowed_count;
        break;
      case Lane::Result::kFull:
        tally.missed += allowed_count;
        queued.overflowed = EndAsTooSlow(*members, lane, wanted.size() - i - 1, tally);
        return queued;
    }
  }
  return queued;
}

FilterTurn AskFilter(const Filter& filter, Lane& lane, const Clock& clock, SteadyTime end,
                     Tally& tally) {
  FilterTurn turn;
  do {
    const std::optional<Lane::Item> item = lane.Take();
    turn.empty = !item.has_value();
    if (item) AskAbout(*item, filter, tally, turn.gone);
  } while (!turn.empty && clock.Steady() < end);
  return turn;
}

}  // namespace belfry::bus
