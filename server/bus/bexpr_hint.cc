#include "server/bus/bexpr_hint.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/text.h"

namespace belfry::bus::bexpr {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
// What ends a value that was meant to be one word.
constexpr std::string_view kEnds = " \t\r\n()=!\"`&|";
// What may stand in a word, in a path of fields or in an index, or around them.
constexpr std::string_view kMarks = "_/.[]()";

bool IsWord(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         kMarks.find(c) != std::string_view::npos;
}

// The hint for a sign at the front of `rest`; "" when it may stand there. `size`: its bytes.
std::string_view HintForSign(std::string_view rest, std::size_t* size) {
  *size = 2;
  if (rest.starts_with("==") || rest.starts_with("!=")) return "";
  *size = 1;
  if (rest.starts_with('=')) return "\"is equal\" is written ==";
  if (rest.starts_with('&')) return "write and instead of &&";
  if (rest.starts_with('|')) return "write or instead of ||";
  if (rest.starts_with('!')) return "write not instead of !";
  return "";
}

bool IsSign(char c) {
  return c == '=' || c == '!' || c == '&' || c == '|';
}

// Between backquotes, which leave what begins with '/' as it is. What does not show is not shown.
std::string Example(std::string_view word) {
  constexpr std::size_t kMost = 64;
  const bool shows = std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  return shows && word.size() <= kMost ? Concat({": `", word, "`"}) : "";
}

// The hint for what other languages have as quotes or operators; "" for anything else.
std::string HintForSigns(std::string_view word) {
  if (const std::size_t begin = word.find('\''); begin != std::string_view::npos) {
    const std::string_view quoted = word.substr(begin + 1);
    return Concat(
        {"' quotes nothing; write \" or `", Example(quoted.substr(0, quoted.find('\'')))});
  }
  if (word.starts_with('~')) return "there is no operator ~; write matches";
  if (word.starts_with('<') || word.starts_with('>')) {
    return "there is no operator < or >; compare with ==, !=, in, contains or matches";
  }
  if (word.ends_with(';')) return "an expression ends without ;";
  return "";
}

// The hint for a word; "" when it may stand there. Numbers may be negative.
std::string HintForWord(std::string_view word) {
  if (std::string hint = HintForSigns(word); !hint.empty()) return hint;
  const std::string_view unsigned_word = word.starts_with('-') ? word.substr(1) : word;
  for (const char c : unsigned_word) {
    if (IsWord(c)) continue;
    return Concat({"a value with other characters than letters, digits, _ and / needs quotes",
                   Example(word)});
  }
  if (!word.starts_with('/') && !word.starts_with('_')) return "";
  return Concat({"a value that does not begin with a letter needs quotes", Example(word)});
}

}  // namespace

std::string HintFor(std::string_view text) {
  while (!text.empty()) {
    const char first = text.front();
    if (kBlanks.find(first) != std::string_view::npos || first == '(' || first == ')') {
      text.remove_prefix(1);
    } else if (first == '"' || first == '`') {
      const std::size_t end = text.find(first, 1);
      if (end == std::string_view::npos) return "";
      text.remove_prefix(end + 1);
    } else if (IsSign(first)) {
      std::size_t size = 0;
      const std::string_view hint = HintForSign(text, &size);
      if (!hint.empty()) return std::string(hint);
      text.remove_prefix(size);
    } else {
      const std::string_view word = text.substr(0, text.find_first_of(kEnds));
      std::string hint = HintForWord(word);
      if (!hint.empty()) return hint;
      text.remove_prefix(word.size());
    }
  }
  return "";
}

}  // namespace belfry::bus::bexpr
