#include "server/bus/bus.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "server/base/mutex.h"
#include "server/bus/glob.h"
#include "server/encode/encode.h"

namespace belfry::bus {
namespace {

std::string_view WithoutSlashes(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

// The frames of one event, each made when the first subscriber of its format wants it.
class Frames {
 public:
  explicit Frames(const Event& event) : event_(event) {}

  const Frame& Get(Format format) {
    Frame& frame = frames_[static_cast<std::size_t>(format)];
    if (frame == nullptr) frame = std::make_shared<const std::string>(Encode(format));
    return frame;
  }

 private:
  std::string Encode(Format format) const {
    if (format == Format::kProtobuf) return encode::Protobuf(event_.message);
    return encode::CloudEventJson(event_.message, event_.accepted);
  }

  const Event& event_;
  std::array<Frame, 2> frames_;
};

// One subscription as the index holds it.
struct Subscriber {
  explicit Subscriber(SubscribeOptions subscribe_options) : options(std::move(subscribe_options)) {}

  bool Wants(const logical::EventReceived& event) const {
    return GlobMatches(options.type_pattern, event.event_type()) &&
           WantsNamespace(event.namespace_());
  }
  bool WantsNamespace(std::string_view event_namespace) const {
    const std::string_view name = WithoutSlashes(event_namespace);
    if (options.namespace_patterns.empty()) return name.empty();
    return std::any_of(options.namespace_patterns.begin(), options.namespace_patterns.end(),
                       [name](const std::string& pattern) { return GlobMatches(pattern, name); });
  }

  const SubscribeOptions options;
  // Set once the subscription has ended or its sink took its last frame.
  std::atomic<bool> ended = false;
};

// Replaced as a whole, never changed: a publisher works on the one it found. Shared by publishers
// and the bus.
using Index = std::vector<std::shared_ptr<Subscriber>>;

struct Counters {
  explicit Counters(Metrics& metrics)
      : published(metrics.GetCounter("belfry_events_published_total",
                                     "Accepted events times the subscriptions of that moment.")),
        delivered(metrics.GetCounter("belfry_events_delivered_total",
                                     "Events handed to a subscriber's queue.")),
        filtered(
            metrics.GetCounter("belfry_events_filtered_total",
                               "Events whose type or namespace a subscriber did not ask for.")),
        denied(metrics.GetCounter("belfry_events_denied_total",
                                  "Events that a subscriber may not see.")),
        missed(metrics.GetCounter("belfry_events_missed_total",
                                  "Events that a subscriber was told it has missed.")),
        subscriptions(
            metrics.GetGauge("belfry_events_subscriptions", "Subscriptions that are open.")) {}
  Counter& published;
  Counter& delivered;
  Counter& filtered;
  Counter& denied;
  Counter& missed;
  Gauge& subscriptions;
};

// What happened to the offers of one Publish, added to the metrics once at its end.
struct Tally {
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t denied = 0;
  std::uint64_t missed = 0;
};

class BusImpl final : public Bus {
 public:
  explicit BusImpl(Metrics& metrics) : counters_(metrics) {}

  void Publish(std::vector<Event> events) override {
    Tally tally;
    {
      // One publisher at a time: this is where events get their order.
      MutexLock order(&publish_mutex_);
      const std::shared_ptr<const Index> index = CurrentIndex();
      for (const Event& event : events) OfferToAll(*index, event, tally);
    }
    Count(tally);
  }

  std::unique_ptr<Subscription> Subscribe(SubscribeOptions options) override;

  void Remove(const std::shared_ptr<Subscriber>& subscriber) {
    subscriber->ended = true;
    MutexLock lock(&index_mutex_);
    auto index = std::make_shared<Index>(*index_);
    std::erase(*index, subscriber);
    index_ = std::move(index);
    counters_.subscriptions.Add(-1);
  }

 private:
  std::shared_ptr<const Index> CurrentIndex() const {
    MutexLock lock(&index_mutex_);
    return index_;
  }

  static void OfferToAll(const Index& index, const Event& event, Tally& tally) {
    Frames frames(event);
    for (const std::shared_ptr<Subscriber>& subscriber : index) {
      if (subscriber->ended.load(std::memory_order_relaxed)) continue;
      if (!subscriber->Wants(event.message)) {
        ++tally.filtered;
      } else if (!subscriber->options.allow(event)) {
        ++tally.denied;
      } else {
        Offer(*subscriber, frames, tally);
      }
    }
  }

  static void Offer(Subscriber& subscriber, Frames& frames, Tally& tally) {
    switch (subscriber.options.sink->Offer(frames.Get(subscriber.options.format))) {
      case OfferResult::kAccepted:
        ++tally.delivered;
        return;
      case OfferResult::kFull:
        ++tally.missed;
        subscriber.ended = true;
        return;
      case OfferResult::kClosed:
        subscriber.ended = true;
        return;
    }
  }

  void Count(const Tally& tally) {
    counters_.published.Add(tally.delivered + tally.filtered + tally.denied + tally.missed);
    counters_.delivered.Add(tally.delivered);
    counters_.filtered.Add(tally.filtered);
    counters_.denied.Add(tally.denied);
    counters_.missed.Add(tally.missed);
  }

  Counters counters_;
  Mutex publish_mutex_;
  mutable Mutex index_mutex_;
  std::shared_ptr<const Index> index_ ABSL_GUARDED_BY(index_mutex_) = std::make_shared<Index>();
};

class SubscriptionImpl final : public Subscription {
 public:
  SubscriptionImpl(BusImpl* bus, std::shared_ptr<Subscriber> subscriber)
      : bus_(bus), subscriber_(std::move(subscriber)) {}
  ~SubscriptionImpl() override { bus_->Remove(subscriber_); }

 private:
  BusImpl* const bus_;
  const std::shared_ptr<Subscriber> subscriber_;
};

std::unique_ptr<Subscription> BusImpl::Subscribe(SubscribeOptions options) {
  auto subscriber = std::make_shared<Subscriber>(std::move(options));
  {
    MutexLock lock(&index_mutex_);
    auto index = std::make_shared<Index>(*index_);
    index->push_back(subscriber);
    index_ = std::move(index);
  }
  counters_.subscriptions.Add(1);
  return std::make_unique<SubscriptionImpl>(this, std::move(subscriber));
}

}  // namespace

std::string_view MetadataText(const logical::EventReceived& event, std::string_view key) {
  const auto& fields = event.event().metadata().fields();
  const auto it = fields.find(std::string(key));
  return it == fields.end() ? std::string_view() : std::string_view(it->second.string_value());
}

std::unique_ptr<Bus> Bus::Create(Metrics* metrics) {
  return std::make_unique<BusImpl>(*metrics);
}

}  // namespace belfry::bus
