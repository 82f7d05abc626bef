#include "server/bus/bus.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/glob.h"
#include "server/base/mutex.h"
#include "server/bus/event_fields.h"
#include "server/encode/encode.h"

namespace belfry::bus {
namespace {

std::string_view TrimSlashes(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

// Gives each pair of path and type that events are judged by a number that no other ever has. Kept
// for those that were seen last; one that comes back later gets another number.
class Subjects {
 public:
  std::uint64_t NumberOf(std::string_view path, std::string_view type) {
    const std::size_t size = path.size();
    key_.assign(reinterpret_cast<const char*>(&size), sizeof size);
    key_ += path;
    key_ += type;
    if (const auto known = numbers_.find(key_); known != numbers_.end()) return known->second;
    if (numbers_.size() >= kMaxSubjects) numbers_.clear();
    return numbers_[key_] = ++last_;
  }

 private:
  static constexpr std::size_t kMaxSubjects = 8192;
  std::unordered_map<std::string, std::uint64_t> numbers_;
  std::uint64_t last_ = 0;
  std::string key_;  // Kept for its memory.
};

// What a judge said of the subjects that it was asked about last, at one version of its rules.
class Decisions {
 public:
  void Begin(std::uint64_t version) {
    if (version == version_) return;
    version_ = version;
    slots_.clear();
  }
  std::optional<bool> About(std::uint64_t subject) const {
    if (slots_.empty()) return std::nullopt;
    const std::uint64_t slot = slots_[subject & (slots_.size() - 1)];
    return slot >> 1 == subject ? std::optional((slot & 1) != 0) : std::nullopt;
  }
  void Keep(std::uint64_t subject, bool allowed) {
    if (slots_.empty()) slots_.resize(kFewestSlots);
    while (SlotOf(subject) != 0 && slots_.size() < kMostSlots) Grow();
    SlotOf(subject) = subject << 1 | (allowed ? 1 : 0);
  }

 private:
  // 1 KiB for a subscriber that gets events, 64 KiB for one that gets them on thousands of paths;
  // both powers of two.
  static constexpr std::size_t kFewestSlots = 128;
  static constexpr std::size_t kMostSlots = 8192;

  std::uint64_t& SlotOf(std::uint64_t subject) { return slots_[subject & (slots_.size() - 1)]; }
  // Those that shared no slot before share none afterwards.
  void Grow() {
    std::vector<std::uint64_t> old(2 * slots_.size());
    old.swap(slots_);
    for (const std::uint64_t slot : old) {
      if (slot != 0) SlotOf(slot >> 1) = slot;
    }
  }

  std::uint64_t version_ = 0;
  std::vector<std::uint64_t> slots_;  // Subjects are numbered from 1, so that 0 is nobody's.
};

// One event on its way, with what someone has wanted of it so far.
class Prepared {
 public:
  Prepared(const Event& event, Subjects* subjects)
      : event_(event), subjects_(subjects), path_(MetadataText(*event.message, "path")) {}
  const Event& event() const { return event_; }

  const EventFields& Fields() {
    if (!fields_) fields_ = FieldsOf(*event_.message);
    return *fields_;
  }

  const std::string& path() const { return path_; }
  const std::string& type() const { return event_.message->event_type(); }

  std::uint64_t subject() {
    if (subject_ == 0) subject_ = subjects_->NumberOf(path_, type());
    return subject_;
  }

  const Frame& As(Format format) {
    Frame& frame = format == Format::kCloudEventsJson ? json_ : protobuf_;
    if (!frame) {
      std::string bytes = format == Format::kCloudEventsJson
                              ? encode::CloudEventJson(*event_.message, event_.accepted)
                              : encode::Protobuf(*event_.message);
      frame = std::make_shared<const Message>(
          Message{.bytes = std::move(bytes), .path = path_, .type = type()});
    }
    return frame;
  }

 private:
  const Event& event_;
  Subjects* const subjects_;
  const std::string path_;
  std::uint64_t subject_ = 0;
  std::optional<EventFields> fields_;
  Frame json_;
  Frame protobuf_;
};

// What a subscription asks of events. Subscriptions that ask the same are matched once for all.
struct Pattern {
  std::string type;
  std::vector<std::string> namespaces;
  // Shared with the subscriptions that ask the same, and by the indexes before and after a change.
  std::shared_ptr<const Filter> filter;

  bool operator<(const Pattern& other) const {
    return std::forward_as_tuple(type, namespaces, FilterText()) <
           std::forward_as_tuple(other.type, other.namespaces, other.FilterText());
  }

  bool Matches(Prepared& event) const {
    const logical::EventReceived& message = *event.event().message;
    const std::string_view space = TrimSlashes(message.namespace_());
    const auto matches = [space](const std::string& pattern) {
      return GlobMatches(pattern, space);
    };
    return std::any_of(namespaces.begin(), namespaces.end(), matches) &&
           GlobMatches(type, message.event_type()) && (!filter || filter->Matches(event.Fields()));
  }

 private:
  std::string_view FilterText() const { return filter ? filter->text() : std::string_view(); }
};

struct Subscriber {
  explicit Subscriber(SubscribeOptions options)
      : format(options.format), judge(std::move(options.judge)), sink(std::move(options.sink)) {}

  const Format format;
  const std::unique_ptr<Judge> judge;
  Decisions decisions;  // Only used with the publish lock.
  // Shared with the session; see SubscribeOptions.
  const std::shared_ptr<Sink> sink;
  // Nothing is offered any more, even by a publisher that still holds an index with this
  // subscriber.
  std::atomic<bool> ended = false;
};

// Shared by the index that lists it, by publishers at work and by the subscription.
using SubscriberPtr = std::shared_ptr<Subscriber>;

struct Group {
  Pattern pattern;
  std::vector<SubscriberPtr> members;
};

// Immutable; groups are shared by the indexes before and after a change elsewhere.
using Index = std::map<Pattern, std::shared_ptr<const Group>>;

// What became of the pairs of event and subscriber that were considered.
struct Tally {
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t denied = 0;
  std::uint64_t published = 0;
  std::uint64_t missed = 0;
  std::uint64_t abandoned = 0;
};

class BusImpl final : public Bus {
 public:
  explicit BusImpl(Metrics* metrics)
      : published_(metrics->GetCounter("belfry_events_published_total",
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
        subscriptions_(metrics->GetGauge("belfry_events_subscriptions", "Subscriptions open.")) {}

  void Publish(std::span<const Event> events) override;
  std::unique_ptr<Subscription> Subscribe(SubscribeOptions options) override;

  // Takes the subscribers out of the index; those that are not in it any more are passed over.
  void Remove(const Pattern& pattern, std::span<const SubscriberPtr> gone);

 private:
  struct Ended {
    Pattern pattern;
    std::vector<SubscriberPtr> members;
  };

  std::shared_ptr<const Index> CurrentIndex() const {
    MutexLock lock(&index_mutex_);
    return index_;
  }

  std::vector<Ended> PublishInOrder(std::span<const Event> events);
  static std::vector<SubscriberPtr> OfferToGroup(const Group& group,
                                                 std::span<Prepared* const> wanted, Tally& tally);
  static bool MaySee(Subscriber& subscriber, Prepared& event);
  static bool OfferToSubscriber(Subscriber& subscriber, std::span<Prepared* const> wanted,
                                Tally& tally);
  void Count(const Tally& tally);

  Counter& published_;
  Counter& delivered_;
  Counter& filtered_;
  Counter& denied_;
  Counter& missed_;
  Counter& abandoned_;
  Gauge& subscriptions_;

  // Gives events their order. Held while they are offered, so that each sink sees one call at a
  // time.
  Mutex publish_mutex_;
  Subjects subjects_ ABSL_GUARDED_BY(publish_mutex_);

  // Never held while a sink or a judge runs or is destroyed.
  mutable Mutex index_mutex_;
  std::shared_ptr<const Index> index_ ABSL_GUARDED_BY(index_mutex_) =
      std::make_shared<const Index>();
};

class SubscriptionImpl final : public Subscription {
 public:
  SubscriptionImpl(BusImpl* bus, Pattern pattern, SubscriberPtr subscriber)
      : bus_(bus), pattern_(std::move(pattern)), subscriber_(std::move(subscriber)) {}
  ~SubscriptionImpl() override {
    subscriber_->ended = true;
    bus_->Remove(pattern_, {&subscriber_, 1});
  }

 private:
  BusImpl* const bus_;
  const Pattern pattern_;
  const SubscriberPtr subscriber_;
};

std::unique_ptr<Subscription> BusImpl::Subscribe(SubscribeOptions options) {
  Pattern pattern{.type = std::move(options.type_pattern), .filter = std::move(options.filter)};
  for (const std::string& space : options.namespace_patterns) {
    pattern.namespaces.emplace_back(TrimSlashes(space));
  }
  if (pattern.namespaces.empty()) pattern.namespaces.emplace_back();
  auto subscriber = std::make_shared<Subscriber>(std::move(options));

  std::shared_ptr<const Index> old;  // Destroyed after the lock: it may be the last to hold others.
  {
    MutexLock lock(&index_mutex_);
    auto index = std::make_shared<Index>(*index_);
    const auto entry = index->try_emplace(pattern).first;
    pattern.filter = entry->first.filter;  // One filter for all who ask the same.
    std::shared_ptr<const Group>& group = entry->second;
    auto grown = group ? std::make_shared<Group>(*group) : std::make_shared<Group>();
    grown->pattern = pattern;
    grown->members.push_back(subscriber);
    group = std::move(grown);
    old = std::exchange(index_, std::move(index));
  }
  subscriptions_.Add(1);
  return std::make_unique<SubscriptionImpl>(this, std::move(pattern), std::move(subscriber));
}

void BusImpl::Remove(const Pattern& pattern, std::span<const SubscriberPtr> gone) {
  std::shared_ptr<const Index> old;  // Destroyed after the lock, with what only it held.
  std::int64_t removed = 0;
  {
    MutexLock lock(&index_mutex_);
    const auto found = index_->find(pattern);
    if (found == index_->end()) return;
    auto group = std::make_shared<Group>(*found->second);
    removed = static_cast<std::int64_t>(std::erase_if(group->members, [gone](const auto& member) {
      return std::find(gone.begin(), gone.end(), member) != gone.end();
    }));
    if (removed == 0) return;
    auto index = std::make_shared<Index>(*index_);
    if (group->members.empty()) {
      index->erase(pattern);
    } else {
      (*index)[pattern] = std::move(group);
    }
    old = std::exchange(index_, std::move(index));
  }
  subscriptions_.Add(-removed);
}

void BusImpl::Publish(std::span<const Event> events) {
  if (events.empty()) return;
  for (const Ended& ended : PublishInOrder(events)) Remove(ended.pattern, ended.members);
}

std::vector<BusImpl::Ended> BusImpl::PublishInOrder(std::span<const Event> events) {
  std::vector<Prepared> prepared;
  std::vector<Prepared*> wanted;
  std::vector<Ended> ended;
  Tally tally;
  std::shared_ptr<const Index> index;  // Destroyed after the lock.
  {
    MutexLock lock(&publish_mutex_);
    index = CurrentIndex();
    if (index->empty()) return ended;
    prepared.reserve(events.size());
    for (const Event& event : events) prepared.emplace_back(event, &subjects_);
    wanted.reserve(events.size());
    for (const auto& [pattern, group] : *index) {
      wanted.clear();
      for (Prepared& event : prepared) {
        if (pattern.Matches(event)) wanted.push_back(&event);
      }
      tally.published += prepared.size() * group->members.size();
      tally.filtered += (prepared.size() - wanted.size()) * group->members.size();
      if (wanted.empty()) continue;
      std::vector<SubscriberPtr> gone = OfferToGroup(*group, wanted, tally);
      if (!gone.empty()) ended.push_back({pattern, std::move(gone)});
    }
  }
  Count(tally);
  return ended;
}

// Subscriber by subscriber rather than event by event: its queue is fetched into the cache once for
// all events of the call.
std::vector<SubscriberPtr> BusImpl::OfferToGroup(const Group& group,
                                                 std::span<Prepared* const> wanted, Tally& tally) {
  std::vector<SubscriberPtr> gone;
  for (const SubscriberPtr& subscriber : group.members) {
    if (OfferToSubscriber(*subscriber, wanted, tally)) continue;
    subscriber->ended = true;
    gone.push_back(subscriber);
  }
  return gone;
}

bool BusImpl::MaySee(Subscriber& subscriber, Prepared& event) {
  const std::uint64_t subject = event.subject();
  if (const std::optional<bool> known = subscriber.decisions.About(subject)) return *known;
  const bool allowed = subscriber.judge->Allows(event.path(), event.type());
  subscriber.decisions.Keep(subject, allowed);
  return allowed;
}

bool BusImpl::OfferToSubscriber(Subscriber& subscriber, std::span<Prepared* const> wanted,
                                Tally& tally) {
  const std::uint64_t judged_at = subscriber.judge->Refresh();
  subscriber.decisions.Begin(judged_at);
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
    switch (subscriber.sink->Offer(wanted[i]->As(subscriber.format), judged_at)) {
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

std::unique_ptr<Bus> Bus::Create(Metrics* metrics) {
  return std::make_unique<BusImpl>(metrics);
}

}  // namespace belfry::bus
