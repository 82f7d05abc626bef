#pragma once

#include <string_view>

namespace belfry {

// Whether `text` matches `pattern`, in which '*' stands for any run of characters, empty ones and
// those with '/' included, and nothing else is special. An empty pattern matches only empty text.
// Pure, linear in the product of the lengths at worst. (vault-api-and-events 2.6)
bool GlobMatches(std::string_view pattern, std::string_view text);

// Whether some text matches both patterns. Pure, linear in the product of their lengths.
bool GlobsOverlap(std::string_view a, std::string_view b);

}  // namespace belfry
