#include "cli/cursor.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

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
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::ranges::all_of(epoch, is_digit) && IsSequence(text.substr(dash + 1));
}

bool IsStartingPoint(std::string_view text) {
  return text == "earliest" || text == "latest" || IsCursor(text);
}

}  // namespace belfry::cli
