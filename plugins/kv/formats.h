#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace belfry::kv {

// Times and durations as kv's clients read them. Pure functions.

// RFC 3339 in UTC with as many digits of the second as are not zero; "" for absl::InfinitePast(),
// which stands for "not set".
std::string FormatTimestamp(absl::Time time);
// The reverse; InfinitePast for "" and for what is no time.
absl::Time ParseTimestamp(std::string_view text);
// As Go prints it: "0s", "1h30m0s", "1.5s", "500ms".
std::string FormatGoDuration(absl::Duration duration);

}  // namespace belfry::kv
