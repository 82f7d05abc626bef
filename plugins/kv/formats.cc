#include "plugins/kv/formats.h"

#include <cmath>
#include <cstdint>

namespace belfry::kv {
namespace {

// "1.5" for 1.5, "2" for 2.
std::string Trimmed(std::int64_t whole, std::int64_t fraction, int digits) {
  std::string text = std::to_string(fraction);
  text.insert(0, digits - text.size(), '0');
  while (!text.empty() && text.back() == '0') text.pop_back();
  return text.empty() ? std::to_string(whole) : std::to_string(whole) + "." + text;
}

}  // namespace

std::string FormatTimestamp(absl::Time time) {
  if (time == absl::InfinitePast()) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

absl::Time ParseTimestamp(std::string_view text) {
  absl::Time time;
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, std::string(text), &time, &error)
             ? time
             : absl::InfinitePast();
}

std::string FormatGoDuration(absl::Duration duration) {
  std::int64_t nanoseconds = absl::ToInt64Nanoseconds(duration);
  if (nanoseconds == 0) return "0s";
  const std::string sign = nanoseconds < 0 ? "-" : "";
  nanoseconds = std::abs(nanoseconds);
  if (nanoseconds < 1'000) return sign + std::to_string(nanoseconds) + "ns";
  if (nanoseconds < 1'000'000)
    return sign + Trimmed(nanoseconds / 1'000, nanoseconds % 1'000, 3) + "µs";
  if (nanoseconds < 1'000'000'000)
    return sign + Trimmed(nanoseconds / 1'000'000, nanoseconds % 1'000'000, 6) + "ms";
  const std::int64_t seconds = nanoseconds / 1'000'000'000;
  std::string text = sign;
  if (seconds >= 3600) text += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) text += std::to_string(seconds / 60 % 60) + "m";
  return text + Trimmed(seconds % 60, nanoseconds % 1'000'000'000, 9) + "s";
}

}  // namespace belfry::kv
