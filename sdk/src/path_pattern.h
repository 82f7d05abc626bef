#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace belfry::internal {

// A path pattern of SecretsEngine::Path as an RE2 expression and the names in it.
struct PathPattern {
  std::string regex;
  std::vector<std::string> parameters;
};

// "notes/{name}", "data/{path...}". InvalidArgument when it does not parse: unbalanced braces, a
// name that is no identifier or occurs twice, a {rest...} that is not at the end.
absl::StatusOr<PathPattern> ParsePathPattern(std::string_view pattern);

}  // namespace belfry::internal
