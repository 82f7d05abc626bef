#include "cli/cursor.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "absl/strings/ascii.h"

namespace belfry::cli {
namespace {

constexpr std::size_t kEpochDigits = 16;

bool IsSequence(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

}  // namespace

bool IsCursor(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash != kEpochDigits) return false;
  const std::string_view epoch = text.substr(0, dash);
  return std::ranges::all_of(epoch, absl::ascii_isxdigit) && IsSequence(text.substr(dash + 1));
}

bool IsStartingPoint(std::string_view text) {
  return text == "earliest" || text == "latest" || IsCursor(text);
}

}  // namespace belfry::cli
