#include "server/http/http_date.h"

#include <cstdint>
#include <limits>

namespace belfry::http {

std::string HttpDate(absl::Time time) {
  thread_local std::int64_t second = std::numeric_limits<std::int64_t>::min();
  thread_local std::string text;
  if (const std::int64_t asked = absl::ToUnixSeconds(time); asked != second || text.empty()) {
    text = absl::FormatTime("%a, %d %b %E4Y %H:%M:%S GMT", time, absl::UTCTimeZone());
    second = asked;
  }
  return text;
}

}  // namespace belfry::http
