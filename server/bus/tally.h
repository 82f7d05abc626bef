#pragma once

#include <cstdint>

#include "base/metrics.h"
#include "server/bus/lane.h"
#include "server/bus/subscriber.h"

namespace belfry::bus {

// What became of the pairs of event and subscriber that were considered. Not thread-safe.
struct Tally {
  std::uint64_t published = 0;
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t denied = 0;
  std::uint64_t missed = 0;
  std::uint64_t abandoned = 0;

  // The subscriber had ended before it could get them.
  void Lost(const Subscriber& subscriber, std::uint64_t events = 1);
  // Nothing of what waited will be offered.
  void Lost(const Lane::Items& items);
};

// The sums of all tallies, as metrics. Thread-safe.
class TallyCounters {
 public:
  // `metrics` must outlive it.
  explicit TallyCounters(Metrics* metrics);
  void Add(const Tally& tally);

 private:
  Counter& published_;
  Counter& delivered_;
  Counter& filtered_;
  Counter& denied_;
  Counter& missed_;
  Counter& abandoned_;
};

}  // namespace belfry::bus
