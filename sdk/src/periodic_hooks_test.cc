#include "sdk/src/periodic_hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

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
    hooks_.Add(period, [this, name, answer](HookContext&) {
      ran_.push_back(name);
      return answer;
    });
  }
  // What ran at this time after the start.
  std::vector<std::string> RanAt(absl::Duration after) {
    ran_.clear();
    last_ = hooks_.RunDue(kStart + after, context_);
    return ran_;
  }

  belfry::testing::InMemoryFakeStorage storage_;
  testing::NoEvents events_;
  HookContext context_{storage_, events_};
  PeriodicHooks hooks_;
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
  hooks_.Add(absl::Seconds(1), [&](HookContext& context) {
    if (++runs > 1) return absl::InternalError("twice at once");
    // On another thread, and much later by the clock, while this one runs.
    absl::Status meanwhile;
    std::thread([&] { meanwhile = hooks_.RunDue(kStart + absl::Hours(1), context); }).join();
    return meanwhile;
  });
  EXPECT_EQ(hooks_.RunDue(kStart, context_), absl::OkStatus());
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace belfry::internal
