#include "server/bus/decision_cache.h"

#include <gtest/gtest.h>

namespace belfry::bus {
namespace {

TEST(DecisionCache, AnswersWhatWasDecidedAndNothingElse) {
  DecisionCache cache;
  cache.Begin(1);
  EXPECT_EQ(cache.About(7), std::nullopt);
  cache.Keep(7, true);
  cache.Keep(8, false);
  EXPECT_EQ(cache.About(7), true);
  EXPECT_EQ(cache.About(8), false);
  EXPECT_EQ(cache.About(9), std::nullopt);
}

TEST(DecisionCache, AnotherVersionForgetsEverything) {
  DecisionCache cache;
  cache.Begin(1);
  cache.Keep(7, true);
  cache.Begin(1);
  EXPECT_EQ(cache.About(7), true);
  cache.Begin(2);
  EXPECT_EQ(cache.About(7), std::nullopt);
}

TEST(DecisionCache, GrowsToItsBoundAndNeverMistakesOneSubjectForAnother) {
  DecisionCache cache;
  EXPECT_EQ(cache.bytes(), 0u);
  cache.Begin(1);
  for (std::uint64_t subject = 1; subject <= 100'000; ++subject) {
    cache.Keep(subject, subject % 3 == 0);
    ASSERT_LE(cache.bytes(), DecisionCache::kMaxBytes);
  }
  std::size_t known = 0;
  for (std::uint64_t subject = 1; subject <= 100'000; ++subject) {
    const std::optional<bool> allowed = cache.About(subject);
    if (!allowed) continue;
    ++known;
    ASSERT_EQ(*allowed, subject % 3 == 0);
  }
  EXPECT_EQ(known, DecisionCache::kMaxBytes / sizeof(std::uint64_t));
}

}  // namespace
}  // namespace belfry::bus
