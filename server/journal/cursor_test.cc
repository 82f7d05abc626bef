#include "server/journal/cursor.h"

#include <gtest/gtest.h>

#include <string>

namespace belfry::journal {
namespace {

constexpr char kEpoch[] = "3f9ac2d41e07b856";

TEST(CursorTest, ItsTextIsReadBack) {
  for (const std::uint64_t sequence : {std::uint64_t{0}, std::uint64_t{42}, ~std::uint64_t{0}}) {
    const Cursor cursor{.epoch = kEpoch, .sequence = sequence};
    EXPECT_EQ(Cursor::Parse(cursor.ToString()), cursor);
  }
  EXPECT_EQ((Cursor{.epoch = kEpoch, .sequence = 42}).ToString(), "3f9ac2d41e07b856-42");
}

TEST(CursorTest, SequencesSortAsTheirNumbersDo) {
  const auto text = [](std::uint64_t sequence) {
    return Cursor{.epoch = kEpoch, .sequence = sequence}.SortableSequence();
  };
  EXPECT_EQ(text(42), "00000000000000000042");
  EXPECT_LT(text(9), text(10));
  EXPECT_LT(text(10), text(~std::uint64_t{0}));
}

TEST(CursorTest, InvalidCursorsAreRefused) {
  for (const char* const text :
       {"", "-", "42", "3f9ac2d41e07b856", "3f9ac2d41e07b856-", "3f9ac2d41e07b856--1",
        "3f9ac2d41e07b856-+1", "3f9ac2d41e07b856- 1", "3f9ac2d41e07b856-1 ", "3f9ac2d41e07b856-01",
        "3f9ac2d41e07b856-18446744073709551616", "3F9AC2D41E07B856-1", "3f9ac2d41e07b85-1",
        "3f9ac2d41e07b8560-1", "zf9ac2d41e07b856-1", "3f9ac2d41e07b856-1-2"}) {
    EXPECT_EQ(Cursor::Parse(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace belfry::journal
