#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/access/acl.h"

namespace belfry::access {

// What somebody's rules come to, and why, for whoever has to change them. All of it is what the Acl
// decides; nothing is decided here. Pure functions, thread-safe; what they find lives as long as
// the Acl.

struct Finding {
  std::string path;  // What was asked about: a path, or a pattern as a policy writes it.
  Decision decision;
  // A policy in HCL, with which, beside those that there are, it is allowed. Empty when it is
  // allowed, and when no policy that is added can change it: a deny of the same pattern has to go.
  std::string grant;
};

// A request. Its policy leaves what else is allowed on the path as it is.
Finding Explain(const Acl& acl, const Question& question);

// An event of `type` on a path with its mount, and as those of events without '/' at its end: for
// another there is no policy to grant it. Its policy grants that path, or, where the rule that
// decides bounds parameters or wrapping, all paths of that rule. It takes nothing away from who has
// these rules.
Finding ExplainEvent(const Acl& acl, std::string_view path, std::string_view type);

// Events of `type` of a mount, whose path ends in '/': one finding for each pattern that may decide
// about one, about the paths for which it does; and, where no pattern covers the whole mount, one
// about all the rest, which comes last and has no rule. `type` may be a pattern, as for Acl.
std::vector<Finding> ExplainMount(const Acl& acl, std::string_view mount, std::string_view type);

}  // namespace belfry::access
