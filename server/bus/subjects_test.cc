#include "server/bus/subjects.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace belfry::bus {
namespace {

TEST(Subjects, TakeUpBoundedMemoryAndAreNeverMistaken) {
  Subjects subjects;
  const std::uint64_t first = subjects.NumberOf("a", "t");
  EXPECT_EQ(subjects.NumberOf("a", "t"), first);
  std::uint64_t last = first;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t number =
        subjects.NumberOf(std::string(28 * 1024, 'p') + std::to_string(i), "t");
    EXPECT_GT(number, last);
    last = number;
    // Whoever is asked about is kept.
    EXPECT_EQ(subjects.NumberOf("a", "t"), first);
    ASSERT_LE(subjects.bytes(), Subjects::kMaxBytes);
  }
}

}  // namespace
}  // namespace belfry::bus
