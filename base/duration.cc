#include "base/duration.h"

#include <charconv>

#include "base/text.h"

namespace belfry {
namespace {

std::optional<std::int64_t> ToInteger(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end ? std::optional(value) : std::nullopt;
}

std::optional<absl::Duration> IfGoCanCountIt(absl::Duration duration) {
  const bool fits =
      duration < absl::Nanoseconds(INT64_MAX) && duration > absl::Nanoseconds(INT64_MIN);
  return fits ? std::optional(duration) : std::nullopt;
}

}  // namespace

std::optional<absl::Duration> ParseDuration(std::string_view text) {
  if (text.empty()) return absl::ZeroDuration();
  if (const auto seconds = ToInteger(text)) return DurationOfSeconds(*seconds);
  if (text.ends_with('d')) {
    const auto days = ToInteger(text.substr(0, text.size() - 1));
    return days ? IfGoCanCountIt(absl::Hours(24) * *days) : std::nullopt;
  }
  absl::Duration duration;
  if (!absl::ParseDuration(ToAbsl(text), &duration)) return std::nullopt;
  return IfGoCanCountIt(duration);
}

std::optional<absl::Duration> DurationOfSeconds(std::int64_t seconds) {
  return IfGoCanCountIt(absl::Seconds(seconds));
}

std::string DurationText(absl::Duration duration) {
  const std::int64_t seconds = absl::ToInt64Seconds(duration);
  std::string text;
  if (seconds >= 3600) text += Concat({std::to_string(seconds / 3600), "h"});
  if (seconds / 60 % 60 > 0) text += Concat({std::to_string(seconds / 60 % 60), "m"});
  if (seconds % 60 > 0 || text.empty()) text += Concat({std::to_string(seconds % 60), "s"});
  return text;
}

}  // namespace belfry
