#include "server/access/acl.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "server/access/parameters.h"
#include "server/base/glob.h"

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

// Whether a path that begins with `folder`, which ends in '/', may match the pattern.
bool SegmentsReachInto(std::string_view pattern, std::string_view folder, Ending ending) {
  while (!folder.empty()) {
    bool pattern_ends = false;
    bool folder_ends = false;
    const std::string_view wanted = TakeSegment(&pattern, &pattern_ends);
    const std::string_view given = TakeSegment(&folder, &folder_ends);
    const bool same = wanted == "+" || wanted == given;
    if (pattern_ends) return ending == Ending::kPrefix && (same || given.starts_with(wanted));
    if (!same) return false;
  }
  return true;
}

std::size_t CountSegmentWildcards(std::string_view pattern) {
  std::size_t count = 0;
  for (bool last = false; !last;) count += TakeSegment(&pattern, &last) == "+" ? 1 : 0;
  return count;
}

// A pattern that matches, so that the greatest is the one that counts.
auto Priority(const MergedRule& merged) {
  const PathRule& rule = merged.rule;
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
void Unite(const std::vector<T>& from, std::vector<T>* into) {
  for (const T& value : from) {
    if (std::find(into->begin(), into->end(), value) == into->end()) into->push_back(value);
  }
}

void Unite(const ParameterRules& from, ParameterRules* into) {
  for (const auto& [name, values] : from) {
    const auto [it, is_new] = into->try_emplace(name, values);
    if (is_new) continue;
    if (values.empty() || it->second.empty()) {
      it->second.clear();  // Any value.
    } else {
      Unite(values, &it->second);
    }
  }
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
  Unite(from.allowed_parameters, &into->allowed_parameters);
  Unite(from.denied_parameters, &into->denied_parameters);
  Unite(from.required_parameters, &into->required_parameters);
  Unite(from.subscribe_event_types, &into->subscribe_event_types);
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

bool GrantsSomething(const MergedRule& merged) {
  return !merged.rule.capabilities.empty() && !merged.rule.capabilities.Has(Capability::kDeny);
}

}  // namespace

bool NeedsSudo(std::string_view path) {
  return std::any_of(std::begin(kSudoPaths), std::end(kSudoPaths),
                     [path = WithoutLeadingSlash(path)](std::string_view sudo) {
                       return GlobMatches(sudo, path);
                     });
}

Acl::Acl(const std::vector<std::shared_ptr<const Policy>>& policies) {
  for (const std::shared_ptr<const Policy>& policy : policies) {
    if (policy->name == "root") root_ = true;
    for (const PathRule& rule : policy->rules) Add(*policy, rule);
  }
}

Acl::Rules& Acl::RulesFor(const PathRule& rule) {
  if (rule.segments) return rule.prefix ? segments_prefix_ : segments_;
  return rule.prefix ? prefix_ : exact_;
}

void Acl::Add(const Policy& policy, const PathRule& rule) {
  const auto [it, is_new] = RulesFor(rule).try_emplace(rule.path, MergedRule{.rule = rule});
  if (!is_new) Merge(rule, &it->second.rule);
  it->second.origins.push_back({policy.name, rule.position.line});
}

const MergedRule* Acl::Exact(std::string_view path) const {
  const auto it = exact_.find(path);
  return it == exact_.end() ? nullptr : &it->second;
}

const MergedRule* Acl::LongestPrefix(std::string_view path) const {
  // Every prefix of the path is also one of what it has in common with the rule just before it.
  for (std::string_view common = path;;) {
    auto it = prefix_.upper_bound(common);
    if (it == prefix_.begin()) return nullptr;
    --it;
    if (path.starts_with(it->first)) return &it->second;
    const auto [end, ignored] =
        std::mismatch(common.begin(), common.end(), it->first.begin(), it->first.end());
    common = common.substr(0, static_cast<std::size_t>(end - common.begin()));
  }
}

const MergedRule* Acl::BestPattern(std::string_view path) const {
  const MergedRule* best = LongestPrefix(path);
  const auto consider = [&](const Rules& rules, Ending ending) {
    for (const auto& [pattern, merged] : rules) {
      if (!SegmentsMatch(pattern, path, ending)) continue;
      if (best == nullptr || Priority(*best) < Priority(merged)) best = &merged;
    }
  };
  consider(segments_, Ending::kWhole);
  consider(segments_prefix_, Ending::kPrefix);
  return best;
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

bool Acl::Allows(const Question& question) const {
  if (root_) return true;
  const MergedRule* const merged = Decisive(question.capability, question.path);
  if (merged == nullptr) return false;
  const PathRule& rule = merged->rule;
  if (rule.capabilities.Has(Capability::kDeny) || !rule.capabilities.Has(question.capability)) {
    return false;
  }
  if (NeedsSudo(question.path) && !rule.capabilities.Has(Capability::kSudo)) return false;
  if (!WrappingAllowed(rule, question.wrap_ttl)) return false;
  if (!HasParameterRules(question.capability)) return true;
  static const boost::json::object* const kNone = new boost::json::object();
  return ParametersAllowed(rule.allowed_parameters, rule.denied_parameters,
                           rule.required_parameters,
                           question.parameters == nullptr ? *kNone : *question.parameters);
}

bool Acl::AllowsEvent(std::string_view path, std::string_view type) const {
  if (root_) return true;
  if (path.empty()) return false;
  const MergedRule* const merged = Decisive(Capability::kList, path);
  if (merged == nullptr || merged->rule.capabilities.Has(Capability::kDeny) ||
      !merged->rule.capabilities.Has(Capability::kSubscribe)) {
    return false;
  }
  const std::vector<std::string>& types = merged->rule.subscribe_event_types;
  return std::any_of(types.begin(), types.end(),
                     [&](const std::string& pattern) { return GlobMatches(pattern, type); });
}

std::vector<std::string> Acl::CapabilitiesOn(std::string_view path) const {
  if (root_) return {"root"};
  const MergedRule* const merged = Decisive(Capability::kList, path);
  if (merged == nullptr || !GrantsSomething(*merged)) return {"deny"};
  return merged->rule.capabilities.Names();
}

bool Acl::ReachesInto(std::string_view mount) const {
  if (root_ || CapabilitiesOn(mount) != std::vector<std::string>{"deny"}) return true;
  for (const Rules* rules : {&exact_, &prefix_}) {
    for (auto it = rules->lower_bound(mount); it != rules->end() && it->first.starts_with(mount);
         ++it) {
      if (GrantsSomething(it->second)) return true;
    }
  }
  const auto reach = [mount](const Rules& rules, Ending ending) {
    return std::any_of(rules.begin(), rules.end(), [&](const auto& rule) {
      return GrantsSomething(rule.second) && SegmentsReachInto(rule.first, mount, ending);
    });
  };
  return reach(segments_, Ending::kWhole) || reach(segments_prefix_, Ending::kPrefix);
}

}  // namespace belfry::access
