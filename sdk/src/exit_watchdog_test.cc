#include "sdk/src/exit_watchdog.h"

#include <cstdio>

#include "gtest/gtest.h"

namespace belfry::internal {
namespace {

void LastWords() {
  std::fputs("my last words\n", stderr);
}

TEST(ExitWatchdogDeathTest, WhatDoesNotFinishInTimeEndsWithItsLastWords) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const ExitWatchdog watchdog(std::chrono::milliseconds(1), LastWords);
        StopSignal never;
        never.Wait();
      },
      ::testing::ExitedWithCode(0), "my last words");
}

TEST(ExitWatchdogTest, WhatFinishesInTimeIsLeftAlone) {
  bool spoke = false;
  {
    const ExitWatchdog watchdog(std::chrono::hours(1), [&spoke] { spoke = true; });
  }
  EXPECT_FALSE(spoke);
}

}  // namespace
}  // namespace belfry::internal
