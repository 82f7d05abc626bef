#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/bus/bus.h"

namespace belfry::bus {

// What an authorizer said of the subjects that it was asked about last, at one version of its
// rules. Not thread-safe.
class Decisions {
 public:
  void Begin(std::uint64_t version);
  std::optional<bool> About(std::uint64_t subject) const;
  void Keep(std::uint64_t subject, bool allowed);

 private:
  // 1 KiB for a subscriber that gets events, 64 KiB for one that gets them on thousands of paths;
  // both powers of two.
  static constexpr std::size_t kFewestSlots = 128;
  static constexpr std::size_t kMostSlots = 8192;

  std::uint64_t& SlotOf(std::uint64_t subject) { return slots_[subject & (slots_.size() - 1)]; }
  void Grow();

  std::uint64_t version_ = 0;
  std::vector<std::uint64_t> slots_;  // Subjects are numbered from 1, so that 0 is none of them.
};

// A subscription, as the bus sees it.
struct Subscriber {
  explicit Subscriber(SubscribeOptions options)
      : format(options.format),
        event_authorizer(std::move(options.event_authorizer)),
        sink(std::move(options.sink)) {}

  const Format format;
  // Used by whoever calls Bus::OnEvents.
  const std::unique_ptr<EventAuthorizer> event_authorizer;
  Decisions decisions;
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
