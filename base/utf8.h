#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace belfry {

// Characters in UTF-8. Pure functions, thread-safe.

struct Utf8Character {
  char32_t code = 0;
  std::size_t size = 0;  // In bytes.
  bool valid = true;     // Else it is one byte, and its code U+FFFD.
};

// FirstCharacter of a text that does not begin with an ASCII character.
Utf8Character FirstOfSeveralBytes(std::string_view text);

// The first character of a text that is not empty. Not valid: cut short, overlong, a surrogate, or
// beyond U+10FFFF. Inline for ASCII: every character of every event is looked at.
inline Utf8Character FirstCharacter(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {first, 1};
  return FirstOfSeveralBytes(text);
}

// Whether there is such a character: not beyond U+10FFFF, no surrogate.
bool IsCharacter(char32_t code);

// Of a character beyond ASCII.
bool ShowsBeyondAscii(char32_t code);

// Whether a character shows as itself: no control, no space other than ' ', nothing that formats or
// turns round what is beside it, no private use.
inline bool IsPrintable(char32_t code) {
  if (code < 0x80) return code >= 0x20 && code < 0x7F;
  return ShowsBeyondAscii(code);
}

// Whether a text is nothing but characters.
bool IsUtf8(std::string_view text);

// The text with U+FFFD in place of every byte that begins none: protobuf strings and JSON must be
// valid, or the other side refuses the whole message.
std::string ValidUtf8(std::string_view text);

// Appends a character; invalid code points become U+FFFD.
void AppendUtf8(char32_t code, std::string* text);

}  // namespace belfry
