#include "server/access/explanation.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/text.h"

namespace belfry::access {
namespace {

// Lines that somebody might add to a policy.
struct Lines {
  std::string pattern;
  CapabilitySet capabilities;
  std::vector<std::string> event_types;
};

// As a policy has it. What begins like an interpolation must not be taken for one.
std::string Literal(std::string_view text) {
  std::string literal = hcl::Quoted(text);
  for (std::size_t at = literal.find("${"); at != std::string::npos; at = literal.find("${", at)) {
    literal.replace(at, 1, "\\x24");
  }
  return literal;
}

std::string LiteralList(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += Concat({list.empty() ? "" : ", ", Literal(text)});
  return Concat({"[", list, "]"});
}

std::string TextOf(const Lines& lines) {
  std::string text =
      Concat({"path ", Literal(lines.pattern),
              " {\n  capabilities = ", LiteralList(lines.capabilities.Names()), "\n"});
  if (!lines.event_types.empty()) {
    text += Concat({"  subscribe_event_types = ", LiteralList(lines.event_types), "\n"});
  }
  return Concat({text, "}\n"});
}

// The lines as a policy; nullptr when no policy can say them: braces may not stand together in a
// path, nor "+*".
std::shared_ptr<const Policy> PolicyOf(const Lines& lines) {
  absl::StatusOr<Policy> policy = ParsePolicy("grant", TextOf(lines));
  if (!policy.ok()) return nullptr;
  return std::make_shared<const Policy>(*std::move(policy));
}

std::string_view WithoutLeadingSlash(std::string_view path) {
  return path.starts_with('/') ? path.substr(1) : path;
}

bool BoundsRequests(const PathRule& rule) {
  return !rule.allowed_parameters.empty() || !rule.denied_parameters.empty() ||
         !rule.required_parameters.empty() || rule.min_wrapping_ttl > absl::ZeroDuration() ||
         rule.max_wrapping_ttl > absl::ZeroDuration();
}

// The pattern of the rule that decides, so that they unite with it.
Lines Wider(const PathRule& rule, const Lines& missing) {
  Lines lines = missing;
  lines.pattern = PatternOf(rule);
  return lines;
}

// The path alone. It then decides instead of what decides now, so it says what that says, too.
Lines Narrower(const Acl& acl, std::string_view path, const PathRule* rule, const Lines& missing) {
  Lines lines = missing;
  lines.pattern = std::string(path);
  if (rule != nullptr && !rule->capabilities.Has(Capability::kDeny)) {
    lines.capabilities.Add(rule->capabilities);
    std::unordered_set<std::string_view> seen(missing.event_types.begin(),
                                              missing.event_types.end());
    for (const std::string& type : rule->subscribe_event_types) {
      if (seen.insert(type).second) lines.event_types.push_back(type);
    }
  }
  // It decides about the listing of a folder of that name as well.
  const std::string folder = Concat({path, "/"});
  if (acl.Allows({.capability = Capability::kList, .path = folder})) {
    lines.capabilities.Add(Capability::kList);
  }
  return lines;
}

// What may be added, the best first.
std::vector<Lines> Candidates(const Acl& acl, std::string_view path, const Decision& decision,
                              const Lines& missing) {
  const PathRule* const rule = decision.rule == nullptr ? nullptr : &decision.rule->rule;
  const Lines narrower = Narrower(acl, WithoutLeadingSlash(path), rule, missing);
  if (rule == nullptr || decision.verdict == Verdict::kDeny) return {narrower};
  const Lines wider = Wider(*rule, missing);
  // A narrower rule would have to bound the same.
  if (BoundsRequests(*rule)) return {wider};
  return {narrower, wider};
}

// The text of the first candidate that `fits`, or "".
std::string FirstFitting(const std::vector<Lines>& candidates,
                         const std::function<bool(const std::shared_ptr<const Policy>&)>& fits) {
  for (const Lines& lines : candidates) {
    const std::shared_ptr<const Policy> policy = PolicyOf(lines);
    if (policy != nullptr && fits(policy)) return policy->text;
  }
  return "";
}

Lines Subscribing(std::string_view type) {
  Lines lines{.event_types = {std::string(type)}};
  lines.capabilities.Add(Capability::kSubscribe);
  return lines;
}

// What widens the rule itself by events of `type`, or "".
std::string WideningOf(const PathRule& rule, std::string_view type) {
  if (rule.capabilities.Has(Capability::kDeny)) return "";
  const std::shared_ptr<const Policy> policy = PolicyOf(Wider(rule, Subscribing(type)));
  return policy == nullptr || PatternOf(policy->rules.front()) != PatternOf(rule) ? ""
                                                                                  : policy->text;
}

// What would grant all of the mount for which no rule decides; "" when that would take precedence
// over one that does.
std::string GrantForTheRest(const std::vector<const MergedRule*>& rules, const Lines& rest) {
  const std::shared_ptr<const Policy> policy = PolicyOf(rest);
  if (policy == nullptr) return "";
  const PathRule& added = policy->rules.front();
  const bool interferes = std::any_of(rules.begin(), rules.end(), [&added](const MergedRule* rule) {
    const bool is_pattern = rule->rule.prefix || rule->rule.segments;
    return is_pattern && Outranks(added, rule->rule);
  });
  return interferes ? "" : policy->text;
}

}  // namespace

Finding Explain(const Acl& acl, const Question& question) {
  Finding finding{std::string(WithoutLeadingSlash(question.path)), acl.Decide(question), ""};
  if (finding.decision.allowed()) return finding;
  Lines missing;
  missing.capabilities.Add(question.capability);
  if (NeedsSudo(question.path)) missing.capabilities.Add(Capability::kSudo);
  finding.grant = FirstFitting(
      Candidates(acl, question.path, finding.decision, missing),
      [&](const std::shared_ptr<const Policy>& more) { return acl.With(more).Allows(question); });
  return finding;
}

Finding ExplainEvent(const Acl& acl, std::string_view path, std::string_view type) {
  Finding finding{std::string(WithoutLeadingSlash(path)), acl.DecideEvent(path, type), ""};
  if (finding.decision.allowed() || path.empty() || path.ends_with('/')) return finding;
  const auto fits = [&](const std::shared_ptr<const Policy>& more) {
    const PathRule& rule = more->rules.front();
    const bool is_pattern = rule.prefix || rule.segments;
    // A path that cannot be written but as a pattern would take other paths with it.
    const bool unites = finding.decision.rule != nullptr &&
                        PatternOf(finding.decision.rule->rule) == PatternOf(rule);
    return (unites || !is_pattern) && acl.With(more).AllowsEvent(path, type);
  };
  finding.grant = FirstFitting(Candidates(acl, path, finding.decision, Subscribing(type)), fits);
  return finding;
}

std::vector<Finding> ExplainMount(const Acl& acl, std::string_view mount, std::string_view type) {
  Lines rest = Subscribing(type);
  rest.pattern = Concat({mount, "*"});
  if (acl.root()) return {{rest.pattern, {Verdict::kRoot}, ""}};
  const std::vector<const MergedRule*> rules = acl.RulesInto(mount);
  std::vector<Finding> findings;
  bool covered = false;
  for (const MergedRule* merged : rules) {
    const PathRule& rule = merged->rule;
    Finding finding{PatternOf(rule), {VerdictOnEvents(rule, type), merged}, ""};
    if (!finding.decision.allowed()) finding.grant = WideningOf(rule, type);
    findings.push_back(std::move(finding));
    covered = covered || Covers(rule, mount);
  }
  if (!covered) {
    findings.push_back({rest.pattern, {Verdict::kNoRule}, GrantForTheRest(rules, rest)});
  }
  return findings;
}

}  // namespace belfry::access
