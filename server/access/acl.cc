#include "server/access/acl.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "base/glob.h"
#include "base/text.h"
#include "server/access/parameters.h"

namespace belfry::access {
namespace {

// A wildcard at the end stands for any run of characters.
constexpr std::string_view kSudoPaths[] = {
    "auth/token/accessors/",
    "auth/token/accessors",
    "auth/token/revoke-orphan",
    "sys/audit",
    "sys/audit/*",
    "sys/auth/*",
    "sys/config/auditing/*",
    "sys/config/cors",
    "sys/config/ui/headers",
    "sys/config/ui/headers/*",
    "sys/internal/inspect/*",
    "sys/leases",
    "sys/leases/",
    "sys/leases/lookup/*",
    "sys/leases/revoke-force/*",
    "sys/leases/revoke-prefix/*",
    "sys/plugins/catalog/*",
    "sys/plugins/runtimes/catalog/*",
    "sys/raw",
    "sys/raw/*",
    "sys/remount",
    "sys/revoke-force/*",
    "sys/revoke-prefix/*",
    "sys/rotate",
    "sys/seal",
    "sys/step-down",
    "sys/storage/snapshot",
};

std::string_view WithoutLeadingSlash(std::string_view path) {
  return path.starts_with('/') ? path.substr(1) : path;
}

// Takes the text up to the next '/' off the front; `*path` becomes nothing behind the last one.
std::string_view TakeSegment(std::string_view* path, bool* last) {
  const std::size_t slash = path->find('/');
  *last = slash == std::string_view::npos;
  const std::string_view segment = path->substr(0, slash);
  path->remove_prefix(*last ? path->size() : slash + 1);
  return segment;
}

enum class Ending { kWhole, kPrefix };

// Whether a pattern in which the segment "+" stands for any one segment, empty ones included,
// matches the path, or a beginning of it.
bool SegmentsMatch(std::string_view pattern, std::string_view path, Ending ending) {
  for (;;) {
    bool pattern_ends = false;
    bool path_ends = false;
    const std::string_view wanted = TakeSegment(&pattern, &pattern_ends);
    const std::string_view given = TakeSegment(&path, &path_ends);
    const bool same = wanted == "+" || wanted == given;
    if (pattern_ends && ending == Ending::kPrefix) return same || given.starts_with(wanted);
    if (!same || pattern_ends != path_ends) return false;
    if (pattern_ends) return true;
  }
}

std::size_t CountSegmentWildcards(std::string_view pattern) {
  std::size_t count = 0;
  for (bool last = false; !last;) count += TakeSegment(&pattern, &last) == "+" ? 1 : 0;
  return count;
}

Ending EndingOf(const PathRule& rule) {
  return rule.prefix ? Ending::kPrefix : Ending::kWhole;
}

bool Matches(const PathRule& rule, std::string_view path) {
  if (rule.segments) return SegmentsMatch(rule.path, path, EndingOf(rule));
  return rule.prefix ? path.starts_with(rule.path) : path == rule.path;
}

// A pattern that matches, so that the greatest is the one that counts.
auto Priority(const PathRule& rule) {
  const std::size_t wildcard = rule.segments ? rule.path.find('+') : rule.path.size();
  const std::size_t wildcards = rule.segments ? CountSegmentWildcards(rule.path) : 0;
  return std::tuple(wildcard, !rule.prefix, -static_cast<std::ptrdiff_t>(wildcards),
                    rule.path.size(), std::string_view(rule.path));
}

absl::Duration SmallerBound(absl::Duration a, absl::Duration b) {
  if (a <= absl::ZeroDuration()) return b;
  return b <= absl::ZeroDuration() ? a : std::min(a, b);
}

template <typename T>
void Append(const std::vector<T>& from, std::vector<T>* into) {
  into->insert(into->end(), from.begin(), from.end());
}

void Append(const ParameterRules& from, ParameterRules* into) {
  for (const auto& [name, values] : from) {
    const auto [it, is_new] = into->try_emplace(name, values);
    if (is_new) continue;
    if (values.empty() || it->second.empty()) {
      it->second.clear();  // Any value.
    } else {
      Append(values, &it->second);
    }
  }
}

// Keeps the first of each, in time linear in them.
template <typename T>
void DropRepeated(std::vector<T>* values) {
  std::unordered_set<T> seen;
  std::erase_if(*values, [&seen](const T& value) { return !seen.insert(value).second; });
}

void DropRepeated(ParameterRules* rules) {
  for (auto& [name, values] : *rules) DropRepeated(&values);
}

// What several rules say may be there several times.
void DropRepeated(PathRule* rule) {
  DropRepeated(&rule->allowed_parameters);
  DropRepeated(&rule->denied_parameters);
  DropRepeated(&rule->required_parameters);
  DropRepeated(&rule->subscribe_event_types);
}

void Merge(const PathRule& from, PathRule* into) {
  if (into->capabilities.Has(Capability::kDeny)) return;
  if (from.capabilities.Has(Capability::kDeny)) {
    *into = from;
    return;
  }
  into->capabilities.Add(from.capabilities);
  into->min_wrapping_ttl = SmallerBound(into->min_wrapping_ttl, from.min_wrapping_ttl);
  into->max_wrapping_ttl = SmallerBound(into->max_wrapping_ttl, from.max_wrapping_ttl);
  Append(from.allowed_parameters, &into->allowed_parameters);
  Append(from.denied_parameters, &into->denied_parameters);
  Append(from.required_parameters, &into->required_parameters);
  Append(from.subscribe_event_types, &into->subscribe_event_types);
}

bool WrappingAllowed(const PathRule& rule, absl::Duration wrap_ttl) {
  const absl::Duration none = absl::ZeroDuration();
  if (rule.max_wrapping_ttl > none && (wrap_ttl <= none || wrap_ttl > rule.max_wrapping_ttl)) {
    return false;
  }
  return rule.min_wrapping_ttl <= none || wrap_ttl >= rule.min_wrapping_ttl;
}

bool HasParameterRules(Capability capability) {
  return capability == Capability::kRead || capability == Capability::kCreate ||
         capability == Capability::kUpdate || capability == Capability::kPatch;
}

Verdict VerdictOn(const PathRule& rule, const Question& question) {
  if (rule.capabilities.Has(Capability::kDeny)) return Verdict::kDeny;
  if (!rule.capabilities.Has(question.capability)) return Verdict::kNoCapability;
  if (NeedsSudo(question.path) && !rule.capabilities.Has(Capability::kSudo)) {
    return Verdict::kNoSudo;
  }
  if (!WrappingAllowed(rule, question.wrap_ttl)) return Verdict::kWrapping;
  if (!HasParameterRules(question.capability)) return Verdict::kGranted;
  static const boost::json::object* const kNone = new boost::json::object();
  const bool allowed =
      ParametersAllowed(rule.allowed_parameters, rule.denied_parameters, rule.required_parameters,
                        question.parameters == nullptr ? *kNone : *question.parameters);
  return allowed ? Verdict::kGranted : Verdict::kParameters;
}

// About what a rule takes up: each text and each entry of a list or map counts with what the
// allocator adds.
std::size_t BytesOf(const ParameterRules& rules) {
  std::size_t bytes = 0;
  for (const auto& [name, values] : rules) bytes += 128 + name.size() + 64 * values.size();
  return bytes;
}

std::size_t BytesOf(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += sizeof(text) + 16 + text.size();
  return bytes;
}

std::size_t BytesOf(const MergedRule& merged) {
  const PathRule& rule = merged.rule;
  return sizeof(MergedRule) + 96 + rule.written.size() + rule.path.size() +
         BytesOf(rule.allowed_parameters) + BytesOf(rule.denied_parameters) +
         BytesOf(rule.required_parameters) + BytesOf(rule.subscribe_event_types) +
         merged.origins.size() * sizeof(Origin);
}

// Whether it allows anything at all.
bool GrantsSomething(const PathRule& rule) {
  return !rule.capabilities.empty() && !rule.capabilities.Has(Capability::kDeny);
}

}  // namespace

bool NeedsSudo(std::string_view path) {
  return std::any_of(std::begin(kSudoPaths), std::end(kSudoPaths),
                     [path = WithoutLeadingSlash(path)](std::string_view sudo) {
                       return GlobMatches(sudo, path);
                     });
}

std::string PatternOf(const PathRule& rule) {
  return Concat({rule.path, rule.prefix ? "*" : ""});
}

bool Covers(const PathRule& rule, std::string_view folder) {
  return rule.prefix && Matches(rule, folder);
}

bool Outranks(const PathRule& rule, const PathRule& other) {
  return Priority(rule) > Priority(other);
}

Verdict VerdictOnEvents(const PathRule& rule, std::string_view type) {
  if (rule.capabilities.Has(Capability::kDeny)) return Verdict::kDeny;
  if (!rule.capabilities.Has(Capability::kSubscribe)) return Verdict::kNoCapability;
  // Where the type is a pattern, its stars are covered by stars only.
  const std::vector<std::string>& types = rule.subscribe_event_types;
  const auto any = [&](bool (*matches)(std::string_view, std::string_view)) {
    return std::any_of(types.begin(), types.end(), [matches, type](const std::string& pattern) {
      return matches(pattern, type);
    });
  };
  if (any(&GlobMatches)) return Verdict::kGranted;
  const bool is_pattern = type.find('*') != std::string_view::npos;
  return is_pattern && any(&GlobsOverlap) ? Verdict::kSomeTypes : Verdict::kOtherTypes;
}

Acl::Acl(const std::vector<std::shared_ptr<const Policy>>& policies) : policies_(policies) {
  for (const std::shared_ptr<const Policy>& policy : policies_) {
    if (policy->name == "root") root_ = true;
    for (const PathRule& rule : policy->rules) Add(*policy, rule);
  }
  Finish();
}

Acl::Rules& Acl::RulesFor(const PathRule& rule) {
  if (rule.segments) return rule.prefix ? segments_prefix_ : segments_;
  return rule.prefix ? prefix_ : exact_;
}

void Acl::Add(const Policy& policy, const PathRule& rule) {
  const auto [it, is_new] = RulesFor(rule).try_emplace(rule.path, MergedRule{.rule = rule});
  if (!is_new) Merge(rule, &it->second.rule);
  it->second.origins.push_back({.policy = &policy, .rule = &rule});
}

void Acl::Finish() {
  for (Rules* rules : {&exact_, &prefix_, &segments_, &segments_prefix_}) {
    for (auto& [path, merged] : *rules) {
      if (merged.origins.size() > 1) DropRepeated(&merged.rule);
    }
  }
  for (const Rules* rules : {&segments_, &segments_prefix_}) {
    for (const auto& [path, merged] : *rules) by_segment_.Add(&merged);
  }
  bytes_ = sizeof(Acl) + by_segment_.bytes();
  for (const Rules* rules : {&exact_, &prefix_, &segments_, &segments_prefix_}) {
    for (const auto& [path, merged] : *rules) bytes_ += path.size() + BytesOf(merged);
  }
}

const MergedRule* Acl::Exact(std::string_view path) const {
  const auto it = exact_.find(path);
  return it == exact_.end() ? nullptr : &it->second;
}

const MergedRule* Acl::LongestPrefix(std::string_view path) const {
  const auto it = LongestPrefixIn(prefix_, path);
  return it == prefix_.end() ? nullptr : &it->second;
}

const MergedRule* Acl::BestPattern(std::string_view path) const {
  const MergedRule* const longest = LongestPrefix(path);
  if (by_segment_.empty()) return longest;
  const MergedRule* const best = by_segment_.Find(path).rule;
  if (best == nullptr || longest == nullptr) return best == nullptr ? longest : best;
  return Outranks(best->rule, longest->rule) ? best : longest;
}

const MergedRule* Acl::Decisive(Capability capability, std::string_view path) const {
  path = WithoutLeadingSlash(path);
  if (const MergedRule* rule = Exact(path)) return rule;
  // A folder is listed with or without a slash at its end.
  if (capability == Capability::kList && path.ends_with('/')) {
    const std::string_view folder = path.substr(0, path.size() - 1);
    if (const MergedRule* rule = Exact(folder)) return rule;
    if (const MergedRule* rule = BestPattern(folder)) return rule;
  }
  return BestPattern(path);
}

Decision Acl::Decide(const Question& question) const {
  if (root_) return {Verdict::kRoot};
  const MergedRule* const rule = Decisive(question.capability, question.path);
  return {rule == nullptr ? Verdict::kNoRule : VerdictOn(rule->rule, question), rule};
}

Decision Acl::DecideEvent(std::string_view path, std::string_view type) const {
  if (root_) return {Verdict::kRoot};
  if (path.empty()) return {Verdict::kNoRule};
  const MergedRule* const rule = Decisive(Capability::kList, path);
  return {rule == nullptr ? Verdict::kNoRule : VerdictOnEvents(rule->rule, type), rule};
}

bool Acl::BoundsParameters(Capability capability, std::string_view path) const {
  if (root_ || !HasParameterRules(capability)) return false;
  const MergedRule* const merged = Decisive(capability, path);
  return merged != nullptr &&
         !(merged->rule.allowed_parameters.empty() && merged->rule.denied_parameters.empty() &&
           merged->rule.required_parameters.empty());
}

std::vector<std::string> Acl::CapabilitiesOn(std::string_view path) const {
  if (root_) return {"root"};
  const MergedRule* const merged = Decisive(Capability::kList, path);
  if (merged == nullptr || !GrantsSomething(merged->rule)) return {"deny"};
  return merged->rule.capabilities.Names();
}

bool Acl::ReachesInto(std::string_view mount) const {
  if (root_ || CapabilitiesOn(mount) != std::vector<std::string>{"deny"}) return true;
  for (const Rules* rules : {&exact_, &prefix_}) {
    for (auto it = rules->lower_bound(mount); it != rules->end() && it->first.starts_with(mount);
         ++it) {
      if (GrantsSomething(it->second.rule)) return true;
    }
  }
  // One that matches nothing but the mount's own path reaches no further than that.
  const std::string_view own = mount.substr(0, mount.size() - 1);
  return by_segment_.VisitInto(mount, [own](const MergedRule& merged) {
    const PathRule& rule = merged.rule;
    return GrantsSomething(rule) && (rule.prefix || !Matches(rule, own));
  });
}

std::vector<const MergedRule*> Acl::RulesInto(std::string_view mount) const {
  std::vector<const MergedRule*> found;
  const auto add = [&found](const Rules& rules, std::string_view path) {
    const auto it = rules.find(path);
    if (it != rules.end()) found.push_back(&it->second);
  };
  // The mount's own path without its slash is that of an event that names no path.
  add(exact_, mount.substr(0, mount.size() - 1));
  for (std::size_t size = 0; size < mount.size(); ++size) add(prefix_, mount.substr(0, size));
  for (const Rules* rules : {&exact_, &prefix_}) {
    for (auto it = rules->lower_bound(mount); it != rules->end() && it->first.starts_with(mount);
         ++it) {
      found.push_back(&it->second);
    }
  }
  by_segment_.VisitInto(mount, [&found](const MergedRule& merged) {
    found.push_back(&merged);
    return false;
  });
  std::sort(found.begin(), found.end(), [](const MergedRule* a, const MergedRule* b) {
    return PatternOf(a->rule) < PatternOf(b->rule);
  });
  return found;
}

Acl Acl::With(std::shared_ptr<const Policy> policy) const {
  std::vector<std::shared_ptr<const Policy>> policies = policies_;
  policies.push_back(std::move(policy));
  return Acl(policies);
}

}  // namespace belfry::access
