// Which instance serves a mount: requests, restarts and the end.
#include "server/plugin_host/instance_slot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/plugin_host/instance_slot_fixture.h"
#include "server/plugin_host/operator_status.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = InstanceSlot::State;

TEST_F(InstanceSlotTest, ARequestGetsTheInstanceAtOnce) {
  Request request(this, "x");
  EXPECT_THAT(served_, ElementsAre("x on 1"));
  EXPECT_EQ(slot_->state(), State::kServing);
  request.End();
  EXPECT_THAT(executor_->waiting, IsEmpty());
}

TEST_F(InstanceSlotTest, WhatArrivesDuringARestartIsHeldInOrderAndServedByTheNewInstance) {
  std::deque<Request> requests;
  starter_.during_start = [&] {
    EXPECT_EQ(slot_->state(), State::kHolding);
    for (const char* path : {"x", "y"}) requests.emplace_back(this, path);
    EXPECT_THAT(served_, IsEmpty());
    EXPECT_EQ(Current(), "1");
  };
  EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
  EXPECT_EQ(slot_->state(), State::kServing);
  EXPECT_THAT(served_, ElementsAre("x on 2", "y on 2"));
  EXPECT_THAT(starter_.Starts(), ElementsAre("requested b"));
  EXPECT_EQ(starter_.alive(), 1);
  for (Request& request : requests) request.End();
}

TEST_F(InstanceSlotTest, ARestartForbidsTheOldInstanceToWriteBeforeTheNewOneStarts) {
  bool old_may_write = true;
  starter_.during_start = [&] { old_may_write = first_->may_write; };
  EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
  EXPECT_FALSE(old_may_write);
}

TEST_F(InstanceSlotTest, ARestartWaitsForRequestsUnderWayAndLooksWhetherThePluginHangs) {
  Request request(this, "x");
  first_->on_kill_if_silent = [&] {
    EXPECT_EQ(slot_->state(), State::kHolding);
    EXPECT_THAT(starter_.Starts(), IsEmpty());
    request.End();
  };
  EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
  EXPECT_THAT(log_->Lines(),
              ElementsAre("plugins: a restart of the plugin waits for requests under way: path=n/ "
                          "requests=1 among_them=read x",
                          "plugins: plugin reloaded: mount=n/ plugin=notes pid=7"));
  EXPECT_EQ(Current(), "2");
}

TEST_F(InstanceSlotTest, WhatARestartHoldsIsBounded) {
  std::deque<Request> requests;
  starter_.during_start = [&] {
    for (const char* path : {"x", "y", "z"}) requests.emplace_back(this, path);
    EXPECT_EQ(requests[2].failure(), kTooMany);
  };
  EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
  EXPECT_THAT(served_, ElementsAre("x on 2", "y on 2"));
  for (Request& request : requests) request.End();
}

TEST_F(InstanceSlotTest, AFailedRestartLeavesTheOldInstanceServing) {
  starter_.failures = {
      WithReason(absl::StatusCode::kUnavailable, "it could not be started", "exit 3")};
  std::deque<Request> requests;
  starter_.during_start = [&] { requests.emplace_back(this, "x"); };
  EXPECT_EQ(slot_->Restart(Spec("b")),
            absl::UnavailableError("it could not be started: exit 3; the mount goes on with the "
                                   "process that it had"));
  EXPECT_EQ(slot_->state(), State::kServing);
  EXPECT_THAT(served_, ElementsAre("x on 1"));
  EXPECT_TRUE(first_->may_write);
  requests[0].Crash();
  starter_.during_start = nullptr;
  executor_->Run();
  EXPECT_THAT(starter_.Starts(), ElementsAre("requested b", "crash a"));
  requests[0].End();
}

TEST_F(InstanceSlotTest, AFailedRestartOfWhatHasEndedSaysThatNothingRuns) {
  starter_.failures = {absl::UnavailableError("no")};
  first_->runs = false;
  EXPECT_EQ(
      slot_->Restart(Spec("b")),
      absl::UnavailableError("no; the mount has no process now, and its next request starts one"));
}

TEST_F(InstanceSlotTest, RequestsThatAreNotAnsweredAreLoggedAsTheClientWasToldAndNotEachOne) {
  for (int i = 0; i < 3; ++i) slot_->NoteUnanswered(absl::DeadlineExceededError("no answer"));
  EXPECT_EQ(log_->Lines().front(),
            "plugins: the plugin did not answer a request in time: plugin=notes mount=n/ "
            "reason=no answer suppressed=0");
  EXPECT_LT(log_->Lines().size(), 3);
}

TEST_F(InstanceSlotTest, AFailedRestartThatHasWrittenStartsTheOldInstanceAgain) {
  starter_.failures = {absl::UnavailableError("no")};
  starter_.during_start = [&] { starter_.writes = 1; };
  EXPECT_EQ(
      slot_->Restart(Spec("b")),
      absl::UnavailableError("no; the mount goes on with its plugin restarted as it was before"));
  EXPECT_THAT(starter_.Starts(), ElementsAre("requested b", "requested a"));
  EXPECT_EQ(Current(), "2");
  EXPECT_EQ(starter_.alive(), 1);
}

TEST_F(InstanceSlotTest, WhenTheOldOneDoesNotStartAgainEitherItGoesOnAndTheLogSaysSo) {
  starter_.failures = {absl::UnavailableError("no"), absl::UnavailableError("nor this")};
  starter_.during_start = [&] { starter_.writes = 1; };
  EXPECT_EQ(slot_->Restart(Spec("b")),
            absl::UnavailableError("no; the mount goes on with the process that it had"));
  EXPECT_EQ(Current(), "1");
  EXPECT_TRUE(first_->may_write);
  EXPECT_THAT(log_->Lines(), ElementsAre(HasSubstr("started again as it was before: mount=n/ "
                                                   "reason=nor this now=the mount goes on with "
                                                   "the process that it had")));
}

TEST_F(InstanceSlotTest, APinKeepsItsInstanceThroughARestart) {
  {
    const InstanceSlot::Pin pin = slot_->Current();
    EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
    EXPECT_EQ(starter_.alive(), 2);
  }
  executor_->Run();
  EXPECT_EQ(starter_.alive(), 1);
}

// As when the host stops: nothing starts any more.
TEST_F(InstanceSlotTest, WhatWaitsWhenNothingStartsAnyMoreGetsTheReason) {
  const absl::Status stopping = absl::UnavailableError("the server is stopping");
  starter_.failures = {stopping, stopping};
  Request x(this, "x");
  std::deque<Request> held;
  first_->on_kill_if_silent = [&] {
    held.emplace_back(this, "y");
    x.Crash();
    executor_->Run();
    EXPECT_EQ(x.failure(), stopping);
    x.End();
  };
  EXPECT_THAT(std::string(slot_->Restart(Spec("b")).message()), HasSubstr(stopping.message()));
  // What the restart has held goes on to the old instance, finds it dead, and asks for another.
  starter_.failures = {stopping};
  held[0].Break();
  executor_->Run();
  EXPECT_EQ(held[0].failure(), stopping);
  held[0].End();
  slot_->Stop();
  EXPECT_EQ(slot_->state(), State::kStopped);
}

TEST_F(InstanceSlotTest, AFailureThatTheHostMayHaveCausedSaysSo) {
  const absl::Status died = absl::UnavailableError("it died");
  EXPECT_EQ(slot_->Explained(died), died);
  Request request(this, "x");
  absl::Status reloading;
  first_->on_kill_if_silent = [&] {
    reloading = slot_->Explained(died);
    request.End();
  };
  EXPECT_EQ(slot_->Restart(Spec("b")), absl::OkStatus());
  EXPECT_EQ(
      reloading,
      absl::AbortedError("the plugin of the mount \"n/\" is being reloaded, which has interrupted "
                         "the request; it may or may not have been carried out (it died)"));
  slot_->NoteDisabling(true);
  EXPECT_EQ(slot_->Explained(died),
            absl::AbortedError(
                "the mount \"n/\" is being disabled, which has interrupted the request; it may or "
                "may not have been carried out (it died)"));
  slot_->NoteDisabling(false);
  EXPECT_EQ(slot_->Explained(died), died);
  starter_.stopping = true;
  EXPECT_EQ(slot_->Explained(died),
            absl::AbortedError(
                "the server is stopping; the request may or may not have been carried out"));
}

TEST_F(InstanceSlotTest, AStopWaitsForTheLastRequestAndDestroysTheInstance) {
  Request x(this, "x");
  x.Crash();
  std::future<void> stopped = std::async(std::launch::async, [this] { slot_->Stop(); });
  executor_->Run();
  // It is served meanwhile, and so is what it asks next.
  EXPECT_EQ(x.on().name, "2");
  Request y(this, "y");
  EXPECT_EQ(y.on().name, "2");
  y.End();
  EXPECT_NE(slot_->state(), State::kStopped);
  executor_->Run();
  x.End();
  stopped.get();
  EXPECT_EQ(slot_->state(), State::kStopped);
  EXPECT_EQ(starter_.alive(), 0);
  Request late(this, "z");
  EXPECT_EQ(late.failure(), absl::UnavailableError("the plugin has been stopped"));
  late.End();
}

TEST_F(InstanceSlotTest, EveryRequestIsAnsweredOnceWhateverRestartsAndCrashesMeanwhile) {
  limits_.max_requests_queued_per_plugin = 1024;
  limits_.plugin_probe_timeout = absl::Milliseconds(1);
  InstanceSlot slot(&starter_, Spec("a"), starter_.Make(), NewElasticPool(2, 1024), metrics_.get(),
                    limits_, Logger());
  constexpr int kThreads = 4;
  constexpr int kRequests = 200;
  std::atomic<int> answered = 0;
  const auto ask = [&slot, &answered](int number) {
    const RequestName name = {.operation = "read", .path = "x"};
    // Shared: who sets it may still be within it when the value has been got.
    const auto first = std::make_shared<std::promise<std::shared_ptr<Instance>>>();
    slot.Begin(&name, [first](absl::StatusOr<std::shared_ptr<Instance>> instance) {
      first->set_value(*std::move(instance));
    });
    std::shared_ptr<Instance> used = first->get_future().get();
    if (number % 10 == 0) {
      Fake(used).answers = false;
      const auto second = std::make_shared<std::promise<std::shared_ptr<Instance>>>();
      slot.Recover(used.get(), [second](absl::StatusOr<std::shared_ptr<Instance>> instance) {
        second->set_value(*std::move(instance));
      });
      slot.Release(std::exchange(used, second->get_future().get()));
    }
    ++answered;
    slot.Forget(&name);
    slot.End(std::move(used));
  };
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&ask] {
      for (int number = 0; number < kRequests; ++number) ask(number);
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(slot.Restart(Spec("b")), absl::OkStatus());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, kThreads * kRequests);
  EXPECT_EQ(slot.state(), State::kServing);
  slot.Stop();
  EXPECT_EQ(starter_.alive(), 1);  // The fixture's own.
}

}  // namespace
}  // namespace belfry::plugin_host
