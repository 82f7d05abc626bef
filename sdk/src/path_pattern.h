#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace belfry::internal {

// What one piece of a pattern takes: itself, one segment, or the rest of the path.
struct PatternPart {
  enum class Kind { kLiteral, kSegment, kRest };
  Kind kind;
  std::string text;  // The literal, or the parameter's name.
};

// A path pattern of Engine::Path as an RE2 expression and the names in it.
struct PathPattern {
  std::string regex;
  // Empty for a regular expression.
  std::vector<PatternPart> parts;
  std::vector<std::string> parameters;
  // As OpenAPI writes it: "data/{path}".
  std::string path_template;
};

// "notes/{name}", "data/{path...}". InvalidArgument when it does not parse: unbalanced braces, a
// name that is no identifier or occurs twice, a {rest...} that is not at the end.
absl::StatusOr<PathPattern> ParsePathPattern(std::string_view pattern);

// The same for a regular expression with named groups; its template is empty when it matches more
// than one can say. Whether it parses is for RE2 to tell.
PathPattern ParsePathRegex(std::string_view regex);

}  // namespace belfry::internal
