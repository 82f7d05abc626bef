#include "sdk/src/path_pattern.h"

#include <algorithm>
#include <optional>

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

// Where the group that begins `text` ends, its ')' included; nullopt when it does not.
std::optional<std::size_t> GroupEnd(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')' && --depth == 0) {
      return i + 1;
    }
  }
  return std::nullopt;
}

// nullopt when there is anything but literal text, named groups and an optional '/' at the end.
std::optional<std::string> TemplateOf(std::string_view regex) {
  constexpr std::string_view kNamed = "(?P<";
  if (regex.starts_with('^')) regex.remove_prefix(1);
  if (regex.ends_with('$')) regex.remove_suffix(1);
  if (regex.ends_with("/?")) regex.remove_suffix(2);
  std::string text;
  while (!regex.empty()) {
    std::size_t taken = 1;
    if (regex.starts_with(kNamed)) {
      const std::string_view name = regex.substr(kNamed.size(), regex.find('>') - kNamed.size());
      const std::optional<std::size_t> end = GroupEnd(regex);
      if (!end || !IsIdentifier(name)) return std::nullopt;
      text += "{" + std::string(name) + "}";
      taken = *end;
    } else if (regex.front() == '\\' && regex.size() > 1 &&
               absl::ascii_ispunct(static_cast<unsigned char>(regex[1]))) {
      text += regex[1];
      taken = 2;
    } else if (std::string_view(R"(\.*+?()[]{}|^$)").find(regex.front()) !=
               std::string_view::npos) {
      return std::nullopt;
    } else {
      text += regex.front();
    }
    regex.remove_prefix(taken);
  }
  return text;
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
    result.path_template += literal;
    if (!literal.empty())
      result.parts.push_back({PatternPart::Kind::kLiteral, std::string(literal)});
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
    result.parts.push_back(
        {takes_rest ? PatternPart::Kind::kRest : PatternPart::Kind::kSegment, std::string(name)});
    absl::StrAppend(&result.path_template, "{", std::string(name), "}");
    absl::StrAppend(&result.regex, "(?P<", std::string(name), ">", takes_rest ? ".*" : kName, ")");
  }
  return result;
}

PathPattern ParsePathRegex(std::string_view regex) {
  PathPattern result;
  result.regex = regex;
  const RE2 parsed(re2::StringPiece(regex.data(), regex.size()), RE2::Quiet);
  for (const auto& [index, name] : parsed.CapturingGroupNames()) result.parameters.push_back(name);
  result.path_template = TemplateOf(regex).value_or("");
  return result;
}

}  // namespace belfry::internal
