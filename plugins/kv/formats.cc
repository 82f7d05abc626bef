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
  const absl::TimeZone::CivilInfo utc = absl::UTCTimeZone().At(time);
  const std::int64_t nanoseconds = absl::ToInt64Nanoseconds(utc.subsecond);
  const bool four_digits = utc.cs.year() >= 1000 && utc.cs.year() <= 9999;
  if (!four_digits || absl::Nanoseconds(nanoseconds) != utc.subsecond)
    return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
  // Twenty times for each write of a key: absl::FormatTime reads its format each time, which takes
  // as long as all the rest of making the metadata's text.
  std::string text = "0000-00-00T00:00:00";
  const auto put = [&text](std::size_t at, std::size_t digits, std::int64_t number) {
    for (std::size_t i = at + digits; i-- > at; number /= 10)
      text[i] = static_cast<char>('0' + number % 10);
  };
  put(0, 4, utc.cs.year());
  put(5, 2, utc.cs.month());
  put(8, 2, utc.cs.day());
  put(11, 2, utc.cs.hour());
  put(14, 2, utc.cs.minute());
  put(17, 2, utc.cs.second());
  if (nanoseconds > 0) {
    text += ".000000000";
    put(20, 9, nanoseconds);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text += 'Z';
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
