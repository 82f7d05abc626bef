#pragma once

#include <string_view>

namespace belfry::cli {

// Whether a text is the place of an event in a server's stream, "<epoch>-<sequence>": 16 hex digits
// and a decimal number of at most 64 bits, without leading zeros. For example
// "3f9ac2d41e07b856-42".
bool IsCursor(std::string_view text);

// Whether a subscription can begin there: "earliest", "latest", or a cursor.
bool IsStartingPoint(std::string_view text);

}  // namespace belfry::cli
