#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace belfry {

// Durations as Vault's clients write and read them. Pure functions, thread-safe.

// "90" for seconds, "1h30m", "2d"; "" is none. Nothing for any other text, nor for more than the
// 292 years that Go can count.
std::optional<absl::Duration> ParseDuration(std::string_view text);

// Nothing for more than Go can count.
std::optional<absl::Duration> DurationOfSeconds(std::int64_t seconds);

// "1h30m", "768h", "0s": whole seconds, without the parts that are zero.
std::string DurationText(absl::Duration duration);

}  // namespace belfry
