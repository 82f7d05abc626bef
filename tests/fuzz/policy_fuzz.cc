// A policy in HCL or JSON. (vault-api-and-events 5.1)

#include "server/access/policy.h"

#include <memory>

#include "base/text.h"
#include "server/access/explanation.h"
#include "server/access/hcl.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::access {
namespace {

void ExamineRule(const PathRule& rule) {
  // One slash at the front is taken off.
  BELFRY_CLAIM(rule.path.starts_with('/') == rule.written.starts_with("//"));
  BELFRY_CLAIM(!rule.prefix || rule.written.ends_with('*'));
  BELFRY_CLAIM(rule.position.line >= 1 && rule.position.column >= 1);
  const bool bounded = rule.min_wrapping_ttl != absl::ZeroDuration() &&
                       rule.max_wrapping_ttl != absl::ZeroDuration();
  BELFRY_CLAIM(!bounded || rule.min_wrapping_ttl <= rule.max_wrapping_ttl);
}

// Whatever is in a pattern, the lines that would widen its rule can be read, and then widen it.
void ExamineGrants(const Acl& acl, std::string_view mount) {
  for (const Finding& finding : ExplainMount(acl, mount, "kv*")) {
    if (finding.grant.empty()) continue;
    absl::StatusOr<Policy> more = ParsePolicy("more", finding.grant);
    BELFRY_CLAIM(more.ok());
    const Acl changed = acl.With(std::make_shared<const Policy>(*std::move(more)));
    bool is_granted = false;
    for (const Finding& after : ExplainMount(changed, mount, "kv*")) {
      is_granted = is_granted || (after.path == finding.path && after.decision.allowed());
    }
    BELFRY_CLAIM(is_granted);
  }
}

// All of the text counts: what one reading takes, another takes in the same way.
void ExaminePolicy(std::string_view text) {
  const absl::StatusOr<Policy> policy = ParsePolicy("fuzz", text);
  if (!policy.ok()) {
    BELFRY_CLAIM(policy.status().code() == absl::StatusCode::kInvalidArgument);
    BELFRY_CLAIM(ToStd(policy.status().message()).starts_with("failed to parse policy: "));
    return;
  }
  BELFRY_CLAIM(hcl::Parse(text).ok());
  BELFRY_CLAIM(policy->name == "fuzz");
  BELFRY_CLAIM(policy->text == text);
  const Acl acl({std::make_shared<const Policy>(*policy)});
  for (const PathRule& rule : policy->rules) {
    ExamineRule(rule);
    const std::size_t slash = rule.path.find('/');
    // No mount is called "/".
    if (slash != 0 && slash != std::string::npos)
      ExamineGrants(acl, rule.path.substr(0, slash + 1));
  }
}

}  // namespace
}  // namespace belfry::access

void belfry::fuzz::Examine(std::string_view input) {
  access::ExaminePolicy(input);
}
