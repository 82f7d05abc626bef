#include "base/glob.h"

#include <cstddef>
#include <vector>

namespace belfry {

bool GlobMatches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  // Where to go on when what follows the last '*' turns out not to match: the star takes one more
  // character.
  std::size_t after_star = std::string_view::npos;
  std::size_t star_end = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      star_end = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (after_star != std::string_view::npos) {
      p = after_star;
      t = ++star_end;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool GlobsOverlap(std::string_view a, std::string_view b) {
  // Of the rest of `a` from one place on: whether it overlaps with the rest of `b` from each place.
  std::vector<bool> here(b.size() + 1);
  std::vector<bool> next(b.size() + 1);
  for (std::size_t i = a.size() + 1; i-- > 0;) {
    here.swap(next);
    for (std::size_t j = b.size() + 1; j-- > 0;) {
      const bool a_star = i < a.size() && a[i] == '*';
      const bool b_star = j < b.size() && b[j] == '*';
      // A star may end here, or take what is next in the other pattern.
      if (a_star) {
        here[j] = next[j] || (j < b.size() && here[j + 1]);
      } else if (b_star) {
        here[j] = here[j + 1] || (i < a.size() && next[j]);
      } else if (i < a.size() && j < b.size()) {
        here[j] = a[i] == b[j] && next[j + 1];
      } else {
        here[j] = i == a.size() && j == b.size();
      }
    }
  }
  return here[0];
}

}  // namespace belfry
