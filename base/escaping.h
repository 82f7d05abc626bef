#pragma once

#include <string>
#include <string_view>

namespace belfry {

// Text that others wrote, in lines that people and programs read. Pure functions, thread-safe.

// Whether a character shows as itself and nothing more: no control (C0, DEL, C1 with NEL), no line
// or paragraph separator, none that changes the direction of text or does not show at all.
bool IsPlainCharacter(char32_t code);

// Whether all of a text is such characters, in valid UTF-8.
bool IsPlainText(std::string_view text);

// The text between quotes, with '"', '\' and what is not plain escaped: \n \r \t, \x01 for a byte,
// \u2028 and \U000e0001 for a character.
std::string Quoted(std::string_view text);

// The text as a JSON string: U+FFFD for bytes that are not UTF-8, and what is not plain escaped.
std::string JsonQuoted(std::string_view text);

}  // namespace belfry
