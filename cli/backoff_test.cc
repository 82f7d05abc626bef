#include "cli/backoff.h"

#include <gtest/gtest.h>

namespace belfry::cli {
namespace {

void ExpectBetweenHalfAndAll(absl::Duration delay, absl::Duration bound) {
  EXPECT_GE(delay, bound / 2);
  EXPECT_LE(delay, bound);
}

TEST(BackoffTest, EachBoundIsTwiceTheOneBeforeUpToTheLongest) {
  Backoff backoff(absl::Seconds(1), absl::Seconds(30));
  for (const int seconds : {1, 2, 4, 8, 16, 30, 30, 30})
    ExpectBetweenHalfAndAll(backoff.Next(), absl::Seconds(seconds));
}

TEST(BackoffTest, ASuccessBeginsAgainWithTheFirstBound) {
  Backoff backoff(absl::Seconds(1), absl::Seconds(30));
  for (int i = 0; i < 5; ++i) backoff.Next();
  backoff.Reset();
  for (const int seconds : {1, 2}) ExpectBetweenHalfAndAll(backoff.Next(), absl::Seconds(seconds));
}

TEST(BackoffTest, ClientsDoNotAllWaitEquallyLong) {
  const absl::Duration first = Backoff(absl::Hours(1), absl::Hours(1)).Next();
  bool differs = false;
  for (int i = 0; i < 10; ++i)
    differs = differs || Backoff(absl::Hours(1), absl::Hours(1)).Next() != first;
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace belfry::cli
