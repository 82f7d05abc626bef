#include "server/plugin_host/log_budget.h"

#include <gtest/gtest.h>

namespace belfry::plugin_host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kPerSecond = 1000;
constexpr std::size_t kBurst = 5000;
constexpr std::size_t kLine = 36;  // With what each line costs beside: 100.

class LogBudgetTest : public ::testing::Test {
 protected:
  // How many lines are written of one after the other, `apart` from each other.
  int Written(int lines, milliseconds apart) {
    int written = 0;
    for (int i = 0; i < lines; ++i, now_ += apart) written += budget_.Take(kLine, now_) ? 1 : 0;
    return written;
  }

  LogBudget budget_{kPerSecond, kBurst};
  LogBudget::Time now_;
};

TEST_F(LogBudgetTest, ABurstGoesThroughAndTheRestIsCounted) {
  EXPECT_EQ(Written(200, milliseconds(0)), 50);
  EXPECT_TRUE(budget_.HasBegunToDrop());
  EXPECT_FALSE(budget_.HasBegunToDrop());
  EXPECT_EQ(budget_.TakeDropped(), 150 * kLine);
  EXPECT_EQ(budget_.TakeDropped(), 0u);
}

TEST_F(LogBudgetTest, WhatNeverStopsGetsItsShareOfEachSecondAndIsToldOfOnceASecond) {
  Written(50, milliseconds(0));
  int written = 0;
  int told = 0;
  for (int i = 0; i < 100'000; ++i, now_ += milliseconds(1)) {
    written += budget_.Take(kLine, now_) ? 1 : 0;
    told += budget_.HasBegunToDrop() ? 1 : 0;
  }
  EXPECT_NEAR(written, 1000, 20);  // 100 seconds, ten lines each.
  EXPECT_NEAR(told, 100, 5);
}

TEST_F(LogBudgetTest, WhatKeepsBelowItIsNeverDropped) {
  EXPECT_EQ(Written(10'000, milliseconds(101)), 10'000);
  EXPECT_EQ(budget_.TakeDropped(), 0u);
}

TEST_F(LogBudgetTest, WhileItDropsEverythingGoesUnread) {
  EXPECT_FALSE(budget_.Drop(kLine, now_));
  Written(51, milliseconds(0));
  budget_.TakeDropped();
  EXPECT_TRUE(budget_.Drop(7, now_));
  budget_.AddDropped(2);
  EXPECT_EQ(budget_.TakeDropped(), 9u);
  EXPECT_TRUE(budget_.Drop(7, now_ + milliseconds(999)));
  EXPECT_FALSE(budget_.Drop(7, now_ + seconds(1)));
  EXPECT_TRUE(budget_.Take(kLine, now_ + seconds(1)));
}

TEST_F(LogBudgetTest, ALongPauseGivesNoMoreThanTheBurst) {
  Written(50, milliseconds(0));
  now_ += std::chrono::hours(1000);
  EXPECT_EQ(Written(200, milliseconds(0)), 50);
}

TEST_F(LogBudgetTest, ALineThatIsLongerThanTheBurstIsWrittenIntoAFullBudget) {
  EXPECT_TRUE(budget_.Take(2 * kBurst, now_));
  EXPECT_FALSE(budget_.Take(0, now_));
}

TEST_F(LogBudgetTest, AClockThatGoesBackGivesAndTakesNothing) {
  Written(49, milliseconds(0));
  EXPECT_TRUE(budget_.Take(kLine, now_ - seconds(100)));
  EXPECT_FALSE(budget_.Take(kLine, now_));
}

}  // namespace
}  // namespace belfry::plugin_host
