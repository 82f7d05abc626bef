// Patterns of event types and of policies' lists: the pattern on the first line, then the text.

#include "base/glob.h"

#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace belfry {
namespace {

constexpr std::size_t kMaxBytes = 64;

// The same by a table: whether the first p characters of the pattern match the first t of the text.
bool MatchesByTable(std::string_view pattern, std::string_view text) {
  std::vector<bool> row(text.size() + 1, false);
  row[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    next[0] = c == '*' && row[0];
    for (std::size_t t = 1; t <= text.size(); ++t) {
      next[t] = c == '*' ? row[t] || next[t - 1] : row[t - 1] && c == text[t - 1];
    }
    row = std::move(next);
  }
  return row[text.size()];
}

}  // namespace
}  // namespace belfry

void belfry::fuzz::Examine(std::string_view input) {
  const std::string_view pattern = TakeLine(input).substr(0, kMaxBytes);
  const std::string_view text = input.substr(0, kMaxBytes);
  BELFRY_CLAIM(GlobMatches(pattern, text) == MatchesByTable(pattern, text));
  BELFRY_CLAIM(GlobMatches("*", text));
}
