#pragma once

#include <string>
#include <string_view>

namespace belfry::internal {

// The text with U+FFFD in place of every byte that is not UTF-8: protobuf strings and JSON must be
// valid, or the other side refuses the whole message. Pure, thread-safe.
std::string ValidUtf8(std::string_view text);

}  // namespace belfry::internal
