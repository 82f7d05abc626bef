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

// The first character of a text that is not empty. Not valid: cut short, overlong, a surrogate, or
// beyond U+10FFFF.
Utf8Character FirstCharacter(std::string_view text);

// Whether there is such a character: not beyond U+10FFFF, no surrogate.
bool IsCharacter(char32_t code);

// Appends a character; what is none becomes U+FFFD.
void AppendUtf8(char32_t code, std::string* text);

}  // namespace belfry
