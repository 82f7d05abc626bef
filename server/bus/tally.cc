#include "server/bus/tally.h"

namespace belfry::bus {

void Tally::Lost(const Subscriber& subscriber, std::uint64_t events) {
  (subscriber.too_slow ? missed : abandoned) += events;
}

void Tally::Lost(const Lane::Items& items) {
  for (const Lane::Item& item : items) {
    const Members& members = *item.admission->members;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (item.admission->allowed[i]) Lost(*members[i]);
    }
  }
}

TallyCounters::TallyCounters(Metrics* metrics)
    : published_(metrics->GetCounter(
          "belfry_events_published_total",
          "Events offered to subscriptions: each accepted event to those of that "
          "moment, and what those that resume read.")),
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
                                     "Events whose subscriber had left in the meantime.")) {}

void TallyCounters::Add(const Tally& tally) {
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

}  // namespace belfry::bus
