#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/access/hcl.h"
#include "server/access/policy.h"

namespace belfry::access {

// One attribute of a policy, read into a value. They may be called again for the same attribute: a
// text replaces the one before, lists and maps grow. `name` is for the error, InvalidArgument with
// a position. Pure. (vault-api-and-events 5.1)
absl::Status ReadText(std::string_view name, const hcl::Item& item, std::string* text);
absl::Status ReadTexts(std::string_view name, const hcl::Item& item,
                       std::vector<std::string>* texts);
absl::Status ReadParameters(std::string_view name, const hcl::Item& item, ParameterRules* rules);
// Seconds as a number or a text, or "1h30m", or "2d".
absl::Status ReadDuration(std::string_view name, const hcl::Item& item, absl::Duration* duration);

}  // namespace belfry::access
