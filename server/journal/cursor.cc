#include "server/journal/cursor.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace belfry::journal {
namespace {

constexpr std::size_t kSortableDigits = 20;

bool IsEpoch(std::string_view text) {
  return text.size() == Cursor::kEpochDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

std::optional<Cursor> Cursor::Parse(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || !IsEpoch(text.substr(0, dash))) return std::nullopt;
  const std::string_view digits = text.substr(dash + 1);
  Cursor cursor{.epoch = std::string(text.substr(0, dash))};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), cursor.sequence);
  // One place has one name.
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!whole || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  return cursor;
}

std::string Cursor::ToString() const {
  return Concat({epoch, "-", std::to_string(sequence)});
}

std::string Cursor::SortableSequence() const {
  std::string digits = std::to_string(sequence);
  digits.insert(0, kSortableDigits - digits.size(), '0');
  return digits;
}

}  // namespace belfry::journal
