#include "sdk/src/path_pattern.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "re2/re2.h"

namespace belfry::internal {
namespace {

// Vault's rule for a name in a path: letters, digits, '_', and inside also '-' and '.'.
constexpr char kName[] = R"(\w(?:[\w.-]*\w)?)";

absl::Status Mistake(std::string_view pattern, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("path pattern \"", std::string(pattern), "\": ", std::string(what)));
}

bool IsIdentifier(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_';
  });
}

}  // namespace

absl::StatusOr<PathPattern> ParsePathPattern(std::string_view pattern) {
  PathPattern result;
  std::string_view rest = pattern;
  while (!rest.empty()) {
    const std::size_t open = rest.find('{');
    const std::string_view literal = rest.substr(0, open);
    if (literal.find('}') != std::string_view::npos) return Mistake(pattern, "'}' without '{'");
    result.regex += RE2::QuoteMeta(re2::StringPiece(literal.data(), literal.size()));
    if (open == std::string_view::npos) break;
    const std::size_t close = rest.find('}', open);
    if (close == std::string_view::npos) return Mistake(pattern, "'{' without '}'");
    std::string_view name = rest.substr(open + 1, close - open - 1);
    rest.remove_prefix(close + 1);
    const bool takes_rest = name.ends_with("...");
    if (takes_rest) name.remove_suffix(3);
    if (!IsIdentifier(name))
      return Mistake(pattern, "a parameter needs a name of letters, digits and '_'");
    if (takes_rest && !rest.empty())
      return Mistake(pattern, "a parameter with '...' must be the last thing in it");
    if (std::find(result.parameters.begin(), result.parameters.end(), name) !=
        result.parameters.end()) {
      return Mistake(pattern, "a parameter occurs twice");
    }
    result.parameters.emplace_back(name);
    absl::StrAppend(&result.regex, "(?P<", std::string(name), ">", takes_rest ? ".*" : kName, ")");
  }
  return result;
}

}  // namespace belfry::internal
