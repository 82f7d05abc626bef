// Which instance serves a mount, without processes: a starter and an executor that do what a test
// says.
#include "server/plugin_host/instance_slot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/testing.h"
#include "server/plugin_host/operator_status.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = InstanceSlot::State;

class FakeInstance final : public Instance {
 public:
  // `alive` counts the instances that have not been destroyed.
  FakeInstance(std::string made_as, std::atomic<int>* alive)
      : name(std::move(made_as)), alive_(alive) {
    ++*alive_;
  }
  ~FakeInstance() override { --*alive_; }

  Found KillIfSilent() override {
    // Once: what it does may look again.
    if (const auto hook = std::exchange(on_kill_if_silent, nullptr)) hook();
    if (answers) return Found::kAnswers;
    killed = true;
    return dies ? Found::kEnded : Found::kDoesNotEnd;
  }
  pid_t pid() const override { return 7; }
  bool running() const override { return runs; }
  void AllowWrites() const override { may_write = true; }
  void ForbidWrites() const override { may_write = false; }

  const std::string name;  // "1", "2" … in the order of their starts.
  std::atomic<bool> answers = true;
  std::atomic<bool> killed = false;
  bool dies = true;
  bool runs = true;
  mutable std::atomic<bool> may_write = true;
  // What happens while a restart waits for requests under way.
  std::function<void()> on_kill_if_silent;

 private:
  std::atomic<int>* const alive_;
};

FakeInstance& Fake(const std::shared_ptr<Instance>& instance) {
  return static_cast<FakeInstance&>(*instance);
}

// Thread-safe, but for what a test sets.
class FakeStarter final : public InstanceSlot::Starter {
 public:
  absl::StatusOr<std::unique_ptr<Instance>> StartRequested(const LaunchSpec& spec) const override {
    return Start("requested", spec);
  }
  absl::StatusOr<std::unique_ptr<Instance>> StartAfterCrash(const LaunchSpec& spec) const override {
    return Start("crash", spec);
  }
  std::uint64_t Writes() const override { return writes; }
  bool Stopping() const override { return stopping; }

  // "requested a": why, and the version of the entry.
  std::vector<std::string> Starts() const {
    MutexLock lock(&mutex_);
    return starts_;
  }
  bool overlapped() const { return overlapped_; }
  int alive() const { return alive_; }
  std::unique_ptr<Instance> Make() const {
    return std::make_unique<FakeInstance>(std::to_string(++made_), &alive_);
  }

  mutable std::uint64_t writes = 0;
  std::atomic<bool> stopping = false;
  // Runs within a start.
  std::function<void()> during_start;
  // The next starts end so, one each; then they succeed.
  mutable std::deque<absl::Status> failures;

 private:
  absl::StatusOr<std::unique_ptr<Instance>> Start(std::string why, const LaunchSpec& spec) const {
    if (++starting_ > 1) overlapped_ = true;
    {
      MutexLock lock(&mutex_);
      starts_.push_back(std::move(why) + " " + spec.entry.plugin_version);
    }
    if (during_start) during_start();
    --starting_;
    if (!failures.empty()) {
      absl::Status failure = std::move(failures.front());
      failures.pop_front();
      return failure;
    }
    return Make();
  }

  mutable std::atomic<int> alive_ = 0;
  mutable std::atomic<int> made_ = 0;
  mutable std::atomic<int> starting_ = 0;
  mutable std::atomic<bool> overlapped_ = false;
  mutable Mutex mutex_;
  mutable std::vector<std::string> starts_ ABSL_GUARDED_BY(mutex_);
};

// Runs work when the test says so.
class FakeExecutor final : public Executor {
 public:
  bool Post(absl::AnyInvocable<void()>&& work) override {
    if (full) return false;
    PostAlways(std::move(work));
    return true;
  }
  void PostAlways(absl::AnyInvocable<void()> work) override { waiting.push_back(std::move(work)); }
  void Run() {
    while (!waiting.empty()) {
      absl::AnyInvocable<void()> work = std::move(waiting.front());
      waiting.pop_front();
      work();
    }
  }

  std::deque<absl::AnyInvocable<void()>> waiting;
  bool full = false;
};

LaunchSpec Spec(std::string version) {
  LaunchSpec spec;
  spec.entry.path = "n/";
  spec.entry.type = "notes";
  spec.entry.plugin_version = std::move(version);
  return spec;
}

const absl::Status kTooMany =
    absl::ResourceExhaustedError("too many requests queued for plugin restart; try again");

class InstanceSlotTest : public ::testing::Test {
 protected:
  // Does as a call does. Stays where it is: the slot and its callbacks refer to it.
  class Request {
   public:
    Request(InstanceSlotTest* test, std::string path) : test_(test), path_(std::move(path)) {
      test_->slot_->Begin(&name_, [this](absl::StatusOr<std::shared_ptr<Instance>> instance) {
        GoOnWith(std::move(instance));
      });
    }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    // Its connection has broken.
    void Break() {
      const Instance* const broken = instance_.get();
      test_->slot_->Recover(broken, [this](absl::StatusOr<std::shared_ptr<Instance>> instance) {
        GoOnWith(std::move(instance));
      });
    }
    // Its connection has broken because the process has died.
    void Crash() {
      Fake(instance_).answers = false;
      Break();
    }
    void End() {
      test_->slot_->Forget(&name_);
      test_->slot_->End(std::exchange(instance_, nullptr));
    }

    bool has_instance() const { return instance_ != nullptr; }
    // On which it is.
    FakeInstance& on() const { return Fake(instance_); }
    // How often it was given one, and why it was not.
    int answers() const { return answers_; }
    const absl::Status& failure() const { return failure_; }

   private:
    void GoOnWith(absl::StatusOr<std::shared_ptr<Instance>> instance) {
      ++answers_;
      if (!instance.ok()) {
        failure_ = std::move(instance).status();
        return;
      }
      test_->served_.push_back(path_ + " on " + Fake(*instance).name);
      test_->slot_->Release(std::exchange(instance_, *std::move(instance)));
    }

    InstanceSlotTest* const test_;
    const std::string path_;
    const RequestName name_ = {.operation = "read", .path = path_};
    std::shared_ptr<Instance> instance_;
    int answers_ = 0;
    absl::Status failure_;
  };

  void SetUp() override {
    limits_.plugin_probe_timeout = absl::ZeroDuration();
    limits_.max_requests_queued_per_plugin = 2;
    std::unique_ptr<Instance> first = starter_.Make();
    first_ = static_cast<FakeInstance*>(first.get());
    slot_ = std::make_unique<InstanceSlot>(&starter_, Spec("a"), std::move(first), executor_,
                                           metrics_.get(), limits_, Logger(log_, "plugins"));
  }
  void TearDown() override {
    executor_->Run();
    slot_.reset();
    EXPECT_EQ(starter_.alive(), 0);
    EXPECT_FALSE(starter_.overlapped());
  }
  // Which one a request gets now.
  std::string Current() {
    const InstanceSlot::Pin pin = slot_->Current();
    return static_cast<FakeInstance&>(*pin).name;
  }

  FakeStarter starter_;
  const std::shared_ptr<FakeExecutor> executor_ = std::make_shared<FakeExecutor>();
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  Limits limits_;
  FakeInstance* first_ = nullptr;
  // "<path> on <instance>", in the order in which requests were given theirs.
  std::vector<std::string> served_;
  std::unique_ptr<InstanceSlot> slot_;
};

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
