#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belfry::journal {

// A place in the one order of all events of a host, as clients have it: "<epoch>-<sequence>", with
// 16 hex digits, and a number without zeros in front.
struct Cursor {
  // Which life of the data it belongs to: a new data directory has another one, and so has what is
  // restored from a snapshot. The same numbers then name other events.
  std::string epoch;
  // Of the last event before the place; 0: it is before all.
  std::uint64_t sequence = 0;

  static constexpr std::size_t kEpochDigits = 16;

  // nullopt: not a cursor.
  static std::optional<Cursor> Parse(std::string_view text);
  std::string ToString() const;
  // The number as a string that sorts: 20 digits.
  std::string SortableSequence() const;

  bool operator==(const Cursor&) const = default;
};

}  // namespace belfry::journal
