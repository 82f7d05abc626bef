#include "sdk/src/periodic_hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "sdk/src/engine_instance.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/testing/no_events.h"

namespace belfry::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class PeriodicHooksTest : public ::testing::Test {
 protected:
  void Add(absl::Duration period, std::string name, absl::Status answer = absl::OkStatus()) {
    hooks_->Add(period, [this, name, answer](HookContext&) {
      ran_.push_back(name);
      return answer;
    });
  }
  // What ran at this time after the start.
  std::vector<std::string> RanAt(absl::Duration after) {
    ran_.clear();
    last_ = hooks_->RunDue(kStart + after, context_);
    return ran_;
  }
  // As a plugin that is started again, with the hooks that are added then.
  void Restart() { hooks_ = std::make_unique<PeriodicHooks>(); }

  belfry::testing::InMemoryFakeStorage storage_;
  testing::NoEvents events_;
  HookContext context_{storage_, events_, *NoLog(), absl::Now};
  std::unique_ptr<PeriodicHooks> hooks_ = std::make_unique<PeriodicHooks>();
  std::vector<std::string> ran_;
  absl::Status last_;
};

TEST_F(PeriodicHooksTest, EachRunsAtOnceAndThenAfterItsOwnPeriod) {
  Add(absl::Hours(1), "hourly");
  Add(absl::Minutes(1), "often");
  EXPECT_THAT(RanAt(absl::ZeroDuration()), ElementsAre("hourly", "often"));
  EXPECT_THAT(RanAt(absl::Seconds(59)), IsEmpty());
  EXPECT_THAT(RanAt(absl::Seconds(60)), ElementsAre("often"));
  EXPECT_THAT(RanAt(absl::Hours(2)), ElementsAre("hourly", "often"));
}

TEST_F(PeriodicHooksTest, AFailureKeepsNoOtherFromRunningAndTheFirstIsTold) {
  Add(absl::Minutes(1), "a", absl::AbortedError("first"));
  Add(absl::Minutes(1), "b", absl::InternalError("second"));
  EXPECT_THAT(RanAt(absl::ZeroDuration()), ElementsAre("a", "b"));
  EXPECT_EQ(last_, absl::AbortedError("first"));
}

TEST_F(PeriodicHooksTest, OneThatStillRunsIsNotStartedAgain) {
  int runs = 0;
  hooks_->Add(absl::Seconds(1), [&](HookContext& context) {
    if (++runs > 1) return absl::InternalError("twice at once");
    // On another thread, and much later by the clock, while this one runs.
    absl::Status meanwhile;
    std::thread([&] { meanwhile = hooks_->RunDue(kStart + absl::Hours(1), context); }).join();
    return meanwhile;
  });
  EXPECT_EQ(hooks_->RunDue(kStart, context_), absl::OkStatus());
  EXPECT_EQ(runs, 1);
}

TEST_F(PeriodicHooksTest, WhatFailedIsDueAgainAtTheNextTick) {
  Add(absl::Hours(24), "daily", absl::UnavailableError("the database is away"));
  EXPECT_THAT(RanAt(absl::ZeroDuration()), ElementsAre("daily"));
  EXPECT_THAT(RanAt(absl::Minutes(1)), ElementsAre("daily"));
}

TEST_F(PeriodicHooksTest, AStartOfThePluginNeitherRepeatsNorLosesARun) {
  // Each with its first run at the first tick, and a start of the plugin before the next.
  for (const absl::Duration period :
       {absl::Minutes(2), absl::Minutes(90), absl::Hours(24), absl::Hours(24 * 30)}) {
    storage_.Delete(".belfry/every").IgnoreError();
    Restart();
    Add(period, "a");
    Add(period, "b", absl::AbortedError("never"));
    EXPECT_THAT(RanAt(absl::ZeroDuration()), ElementsAre("a", "b")) << period;
    Restart();
    Add(period, "a");
    Add(period, "b", absl::AbortedError("never"));
    EXPECT_THAT(RanAt(period - absl::Seconds(1)), ElementsAre("b")) << period;
    EXPECT_THAT(RanAt(period), ElementsAre("a", "b")) << period;
  }
}

TEST_F(PeriodicHooksTest, AClockThatWasSetBackPutsNothingOffByMoreThanAPeriod) {
  Add(absl::Hours(1), "hourly");
  EXPECT_THAT(RanAt(absl::Hours(1000)), ElementsAre("hourly"));
  Restart();
  Add(absl::Hours(1), "hourly");
  EXPECT_THAT(RanAt(absl::ZeroDuration()), IsEmpty());
  EXPECT_THAT(RanAt(absl::Hours(1)), ElementsAre("hourly"));
}

TEST_F(PeriodicHooksTest, HooksOfAMinuteKeepNothingInStorage) {
  Add(absl::Minutes(1), "often");
  storage_.FailNext(absl::UnavailableError("no storage"));
  EXPECT_THAT(RanAt(absl::ZeroDuration()), ElementsAre("often"));
  EXPECT_EQ(last_, absl::OkStatus());
}

TEST_F(PeriodicHooksTest, WithoutStorageNothingRunsBeforeItsTime) {
  Add(absl::Hours(24), "daily");
  EXPECT_THAT(RanAt(absl::ZeroDuration()), ElementsAre("daily"));
  Restart();
  Add(absl::Hours(24), "daily");
  storage_.FailNext(absl::UnavailableError("no storage"));
  EXPECT_THAT(RanAt(absl::Hours(1)), IsEmpty());
  EXPECT_EQ(last_, absl::UnavailableError("no storage"));
}

TEST_F(PeriodicHooksTest, ARecordThatIsNoJsonIsAsIfNothingHadRun) {
  ASSERT_TRUE(storage_.Put(".belfry/every", "{").ok());
  Add(absl::Hours(24), "daily");
  EXPECT_THAT(RanAt(absl::ZeroDuration()), ElementsAre("daily"));
}

TEST_F(PeriodicHooksTest, WhatIsKeptShowsInNoList) {
  Add(absl::Hours(24), "daily");
  RanAt(absl::ZeroDuration());
  ASSERT_TRUE(storage_.Put("mine", "x").ok());
  EXPECT_THAT(*storage_.List(""), ElementsAre("mine"));
}

}  // namespace
}  // namespace belfry::internal
