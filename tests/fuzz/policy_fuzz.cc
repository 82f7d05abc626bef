// A policy in HCL or JSON. (vault-api-and-events 5.1)

#include "server/access/policy.h"

#include "server/access/hcl.h"
#include "server/base/text.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::access {
namespace {

void ExamineRule(const PathRule& rule) {
  BELFRY_CLAIM(!rule.path.starts_with('/'));
  BELFRY_CLAIM(!rule.prefix || rule.written.ends_with('*'));
  BELFRY_CLAIM(rule.position.line >= 1 && rule.position.column >= 1);
  const bool bounded = rule.min_wrapping_ttl != absl::ZeroDuration() &&
                       rule.max_wrapping_ttl != absl::ZeroDuration();
  BELFRY_CLAIM(!bounded || rule.min_wrapping_ttl <= rule.max_wrapping_ttl);
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
  for (const PathRule& rule : policy->rules) ExamineRule(rule);
}

}  // namespace
}  // namespace belfry::access

void belfry::fuzz::Examine(std::string_view input) {
  access::ExaminePolicy(input);
}
