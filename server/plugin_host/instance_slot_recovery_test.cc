// Which instance serves a mount when the one that did has died.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "server/plugin_host/instance_slot_fixture.h"
#include "server/plugin_host/operator_status.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = InstanceSlot::State;

TEST_F(InstanceSlotTest, ACrashIsRecoveredFromOnceForAllThatItInterrupts) {
  Request x(this, "x");
  Request y(this, "y");
  x.Crash();
  EXPECT_EQ(slot_->state(), State::kRecovering);
  y.Crash();
  // None of it on the thread that reports the crash, and one task for both.
  EXPECT_EQ(executor_->waiting.size(), 1);
  EXPECT_THAT(starter_.Starts(), IsEmpty());
  FakeInstance* const broken = first_;
  starter_.during_start = [&] {
    EXPECT_TRUE(broken->killed);
    EXPECT_FALSE(broken->may_write);
  };
  executor_->Run();
  EXPECT_EQ(slot_->state(), State::kServing);
  EXPECT_THAT(starter_.Starts(), ElementsAre("crash a"));
  EXPECT_THAT(served_, ElementsAre("x on 1", "y on 1", "x on 2", "y on 2"));
  EXPECT_THAT(metrics_->PrometheusText(), HasSubstr("belfry_plugin_restarts_total 1"));
  x.End();
  y.End();
}

TEST_F(InstanceSlotTest, WhatArrivesDuringARecoveryJoinsThoseThatWaitWhenItFindsTheInstanceBroken) {
  Request x(this, "x");
  x.Crash();
  Request y(this, "y");
  EXPECT_THAT(served_, ElementsAre("x on 1", "y on 1"));
  y.Break();
  executor_->Run();
  EXPECT_THAT(served_, ElementsAre("x on 1", "y on 1", "x on 2", "y on 2"));
  EXPECT_THAT(starter_.Starts(), ElementsAre("crash a"));
  x.End();
  y.End();
}

TEST_F(InstanceSlotTest, WhatWaitsForARecoveryIsBounded) {
  std::deque<Request> requests;
  for (const char* path : {"x", "y", "z"}) requests.emplace_back(this, path);
  for (Request& request : requests) request.Crash();
  EXPECT_EQ(requests[2].failure(), kTooMany);
  executor_->Run();
  EXPECT_EQ(requests[0].on().name, "2");
  EXPECT_EQ(requests[1].on().name, "2");
  for (Request& request : requests) request.End();
}

TEST_F(InstanceSlotTest, AnInstanceThatStillAnswersIsKept) {
  Request request(this, "x");
  request.Break();
  executor_->Run();
  EXPECT_THAT(served_, ElementsAre("x on 1", "x on 1"));
  EXPECT_THAT(starter_.Starts(), IsEmpty());
  EXPECT_FALSE(first_->killed);
  EXPECT_TRUE(first_->may_write);
  EXPECT_THAT(metrics_->PrometheusText(), HasSubstr("belfry_plugin_restarts_total 0"));
  request.End();
}

TEST_F(InstanceSlotTest, AFailedRecoveryFailsWhatWaitsAndTheNextRequestTriesAgain) {
  starter_.failures = {
      WithReason(absl::StatusCode::kUnavailable, "it could not be started", "exit 3")};
  Request x(this, "x");
  Request y(this, "y");
  x.Crash();
  y.Crash();
  executor_->Run();
  for (Request* request : {&x, &y}) {
    EXPECT_EQ(request->failure(),
              absl::UnavailableError("it could not be started; the server's log says why"));
    request->End();
  }
  EXPECT_THAT(log_->Lines(), ElementsAre("plugins: a plugin could not be started again: path=n/ "
                                         "reason=it could not be started: exit 3 suppressed=0"));
  EXPECT_EQ(slot_->state(), State::kServing);
  Request z(this, "z");
  z.Break();
  executor_->Run();
  EXPECT_EQ(z.on().name, "2");
  z.End();
}

TEST_F(InstanceSlotTest, WhatDoesNotEndWhenItIsKilledIsNotReplaced) {
  first_->dies = false;
  Request request(this, "x");
  request.Crash();
  executor_->Run();
  EXPECT_EQ(request.failure(),
            absl::UnavailableError("the plugin is unresponsive and did not exit after SIGKILL"));
  EXPECT_THAT(starter_.Starts(), IsEmpty());
  request.End();
}

TEST_F(InstanceSlotTest, ARecoveryForWhichThereIsNoThreadFailsWhatWaits) {
  executor_->full = true;
  Request request(this, "x");
  request.Crash();
  EXPECT_EQ(request.failure(),
            absl::ResourceExhaustedError(
                "too many mounts of the plugin wait for its restart; try again"));
  EXPECT_EQ(slot_->state(), State::kServing);
  request.End();
}

TEST_F(InstanceSlotTest, ACrashOfAnInstanceThatHasBeenReplacedChangesNothing) {
  Request x(this, "x");
  Request y(this, "y");
  x.Crash();
  executor_->Run();
  y.Crash();
  EXPECT_EQ(slot_->state(), State::kServing);
  EXPECT_EQ(y.on().name, "2");
  EXPECT_EQ(starter_.Starts().size(), 1);
  x.End();
  y.End();
}

TEST_F(InstanceSlotTest, ACrashUnderARestartIsRecoveredFromBeforeTheRestartGoesOn) {
  Request x(this, "x");
  std::deque<Request> held;
  first_->on_kill_if_silent = [&] {
    x.Crash();
    EXPECT_EQ(slot_->state(), State::kHoldingRecovering);
    held.emplace_back(this, "y");
    EXPECT_FALSE(held[0].has_instance());
    executor_->Run();
    // What it waits for has been sent again; what it holds has not.
    EXPECT_EQ(slot_->state(), State::kHolding);
    EXPECT_EQ(x.on().name, "2");
    EXPECT_FALSE(held[0].has_instance());
    x.End();
  };
  EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
  EXPECT_THAT(starter_.Starts(), ElementsAre("crash a", "requested b"));
  EXPECT_THAT(served_, ElementsAre("x on 1", "x on 2", "y on 3"));
  executor_->Run();
  EXPECT_EQ(starter_.alive(), 1);
  held[0].End();
}

TEST_F(InstanceSlotTest, ARestartWaitsForTheRecoveryUnderWay) {
  Request x(this, "x");
  x.Crash();
  first_->on_kill_if_silent = [&] {
    EXPECT_EQ(slot_->state(), State::kHoldingRecovering);
    executor_->Run();
    x.End();
  };
  EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
  EXPECT_EQ(slot_->state(), State::kServing);
  EXPECT_THAT(starter_.Starts(), ElementsAre("crash a", "requested b"));
}

TEST_F(InstanceSlotTest, ACrashStartsWhatTheLastRestartHasLeft) {
  EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
  Request request(this, "x");
  request.Crash();
  executor_->Run();
  EXPECT_THAT(starter_.Starts(), ElementsAre("requested b", "crash b"));
  request.End();
}

TEST_F(InstanceSlotTest, AReplacedInstanceIsDestroyedOnTheExecutorAfterItsLastRequest) {
  Request x(this, "x");
  Request y(this, "y");
  x.Crash();
  executor_->Run();
  EXPECT_EQ(starter_.alive(), 2);
  x.End();
  EXPECT_THAT(executor_->waiting, IsEmpty());
  y.End();
  EXPECT_EQ(starter_.alive(), 2);
  executor_->Run();
  EXPECT_EQ(starter_.alive(), 1);
}

TEST_F(InstanceSlotTest, FailedStartsAreABoundedNumberOfLinesAndNoneWhileTheServerStops) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    starter_.failures = {absl::UnavailableError("no")};
    starter_.stopping = i >= kTries - 1;
    Request request(this, "x");
    request.Crash();
    executor_->Run();
    request.End();
  }
  EXPECT_EQ(starter_.Starts().size(), kTries);
  EXPECT_LT(log_->Lines().size(), kTries / 2);
}

TEST_F(InstanceSlotTest, AReplacedInstanceIsDestroyedHoweverMuchWaitsForTheExecutor) {
  Request x(this, "x");
  Request y(this, "y");
  x.Crash();
  executor_->Run();
  executor_->full = true;
  x.End();
  y.End();
  executor_->Run();
  EXPECT_EQ(starter_.alive(), 1);
}

}  // namespace
}  // namespace belfry::plugin_host
