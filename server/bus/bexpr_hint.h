#pragma once

#include <string>
#include <string_view>

namespace belfry::bus::bexpr {

// What to write instead in a text that is no expression: a sentence about the first thing outside
// of quotes that no expression has there, such as `&&`, or "" where the cause is not known. For a
// text that is an expression it is "". Ours: the messages themselves are go-bexpr's. Pure,
// thread-safe.
std::string HintFor(std::string_view text);

}  // namespace belfry::bus::bexpr
