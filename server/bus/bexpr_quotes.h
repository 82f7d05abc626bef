#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace belfry::bus::bexpr {

// What Go reads between quotes. Pure functions, thread-safe.

// Between double quotes; nothing when an escape stands for no character, or a line ends.
std::optional<std::string> Unescaped(std::string_view text);

// Between backquotes.
std::string Unquoted(std::string_view text);

}  // namespace belfry::bus::bexpr
