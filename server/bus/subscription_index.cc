#include "server/bus/subscription_index.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/glob.h"

namespace belfry::bus {
namespace {

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

// What is asked of events, without its owner.
auto Question(const Pattern& pattern) {
  return std::tuple<const std::string&, const std::vector<std::string>&, std::string_view>(
      pattern.type, pattern.namespaces, pattern.FilterText());
}

// Other owners that ask the same stand beside it. They have compiled the filter already.
std::shared_ptr<const Filter> FilterOfOthers(const Index& index, const PatternPtr& pattern) {
  const auto after = index.lower_bound(pattern);
  if (after != index.end() && Question(*after->first) == Question(*pattern)) {
    return after->first->filter;
  }
  if (after == index.begin()) return nullptr;
  const Pattern& before = *std::prev(after)->first;
  return Question(before) == Question(*pattern) ? before.filter : nullptr;
}

}  // namespace

bool Pattern::operator<(const Pattern& other) const {
  return std::tuple(Question(*this), std::string_view(owner)) <
         std::tuple(Question(other), std::string_view(other.owner));
}

bool Pattern::Matches(const storage::AcceptedEvent& event) const {
  const std::string_view space = TrimSlashes(event.name_space);
  const auto matches = [space](const std::string& pattern) { return GlobMatches(pattern, space); };
  return std::any_of(namespaces.begin(), namespaces.end(), matches) &&
         GlobMatches(type, event.type);
}

Pattern PatternOf(const SubscribeOptions& options) {
  Pattern pattern{.type = options.type_pattern, .filter = options.filter};
  if (pattern.filter) pattern.owner = options.owner;
  for (const std::string& space : options.namespace_patterns) {
    pattern.namespaces.emplace_back(TrimSlashes(space));
  }
  if (pattern.namespaces.empty()) pattern.namespaces.emplace_back();
  return pattern;
}

std::shared_ptr<const Index> SubscriptionIndex::Current() const {
  MutexLock lock(&mutex_);
  return index_;
}

PatternPtr SubscriptionIndex::Add(Pattern asked, SubscriberPtr subscriber) {
  const auto added = std::make_shared<Pattern>(std::move(asked));
  std::shared_ptr<const Index> old;  // Destroyed after the lock: it may be the last to hold others.
  std::shared_ptr<const Filter> unused;
  MutexLock lock(&mutex_);
  auto index = std::make_shared<Index>(*index_);
  if (std::shared_ptr<const Filter> shared = FilterOfOthers(*index, added)) {
    unused = std::exchange(added->filter, std::move(shared));
  }
  const auto entry = index->try_emplace(added).first;
  std::shared_ptr<const Group>& group = entry->second;
  auto grown = group ? std::make_shared<Group>(*group) : std::make_shared<Group>();
  if (added->filter && !grown->lane) grown->lane = std::make_shared<Lane>(limits_);
  Members members = *grown->members;
  members.push_back(std::move(subscriber));
  grown->members = std::make_shared<const Members>(std::move(members));
  group = std::move(grown);
  PatternPtr listed = entry->first;
  old = std::exchange(index_, std::move(index));
  subscribers_.fetch_add(1, std::memory_order_relaxed);
  return listed;
}

SubscriptionIndex::Removed SubscriptionIndex::Remove(const PatternPtr& pattern,
                                                     std::span<const SubscriberPtr> gone) {
  Removed removed;
  std::shared_ptr<const Index> old;  // Destroyed after the lock, with what only it held.
  MutexLock lock(&mutex_);
  const auto found = index_->find(pattern);
  if (found == index_->end()) return removed;
  auto group = std::make_shared<Group>(*found->second);
  Members members = *group->members;
  removed.subscribers = std::erase_if(members, [gone](const SubscriberPtr& member) {
    return std::find(gone.begin(), gone.end(), member) != gone.end();
  });
  if (removed.subscribers == 0) return removed;
  auto index = std::make_shared<Index>(*index_);
  if (members.empty()) {
    removed.lane = group->lane;
    index->erase(pattern);
  } else {
    group->members = std::make_shared<const Members>(std::move(members));
    (*index)[pattern] = std::move(group);
  }
  old = std::exchange(index_, std::move(index));
  subscribers_.fetch_sub(removed.subscribers, std::memory_order_relaxed);
  return removed;
}

std::size_t SubscriptionIndex::MostEventsAtOnce() const {
  const std::size_t subscribers =
      std::max<std::size_t>(subscribers_.load(std::memory_order_relaxed), 1);
  return std::max(kMostPairsInATurn / subscribers, kFewestEventsInATurn);
}

}  // namespace belfry::bus
