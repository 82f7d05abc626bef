#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/access/capability.h"
#include "server/access/hcl.h"

namespace belfry::access {

// By lower-case parameter name, "*" for every other; an empty list means any value.
using ParameterRules = std::map<std::string, std::vector<boost::json::value>, std::less<>>;

// What a policy says about one path pattern.
struct PathRule {
  std::string written;  // As the policy has it.
  // What is compared: without '/' at the front and, for a prefix, without '*' at the end.
  std::string path;
  bool prefix = false;    // It ends in '*': what begins with `path` matches.
  bool segments = false;  // Each segment "+" of `path` stands for one segment.
  CapabilitySet capabilities;
  absl::Duration min_wrapping_ttl;  // Zero: no bound.
  absl::Duration max_wrapping_ttl;
  ParameterRules allowed_parameters;
  ParameterRules denied_parameters;
  std::vector<std::string> required_parameters;
  std::vector<std::string> subscribe_event_types;
  hcl::Position position;  // Of the path in the policy's text.
};

// A policy as a value. One named "root" without rules allows everything.
struct Policy {
  std::string name;
  std::string text;
  std::vector<PathRule> rules;
};

// Reads a policy, in HCL or JSON. InvalidArgument "failed to parse policy: …", which says what is
// wrong and at which line and column, in Vault's words where those have been recorded. What a
// policy cannot say here (templates, control groups, multi-factor methods) is refused rather than
// ignored. Pure, thread-safe. (vault-api-and-events 5.1)
absl::StatusOr<Policy> ParsePolicy(std::string_view name, std::string_view text);

}  // namespace belfry::access
