// A mount's engine, without processes.
#include "server/plugin_host/plugin_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/testing.h"
#include "server/plugin_host/fake_plugin.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/testing.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kLarge = 1000;

class PluginEngineTest : public ::testing::Test {
 protected:
  PluginEngineTest() {
    limits_.large_plugin_request_bytes = kLarge;
    limits_.max_large_bytes_under_way_per_mount = kLarge;
  }

  static mounts::MountEntry Entry(std::string version) {
    mounts::MountEntry entry;
    entry.path = "n/";
    entry.type = "notes";
    entry.plugin_version = std::move(version);
    return entry;
  }
  absl::Status Create() {
    absl::StatusOr<std::unique_ptr<PluginEngine>> engine = PluginEngine::Create(
        std::move(own_starter_), Entry("1"), NewElasticPool(1, 1024),
        std::make_shared<LargePaths>(limits_), std::make_shared<StoredRequests>(), metrics_.get(),
        limits_, Logger(log_, "plugins"));
    if (!engine.ok()) return engine.status();
    engine_ = *std::move(engine);
    return absl::OkStatus();
  }

  static mounts::Request Request(mounts::Operation operation, std::string path,
                                 std::size_t bytes = 0) {
    mounts::Request request;
    request.operation = operation;
    request.path = std::move(path);
    request.data = std::string(bytes, ' ');
    request.mount_point = "n/";
    request.mount_type = "notes";
    request.client_token_accessor = "ann";
    request.deadline = SteadyTime::Now() + absl::Minutes(5);
    return request;
  }
  absl::StatusOr<mounts::Reply> Read() {
    Answer<mounts::Reply> answer;
    engine_->Handle(Request(mounts::Operation::kRead, "a"), answer.Callback());
    return answer.Wait();
  }

  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  Limits limits_;
  FakePlugin plugin_;
  std::unique_ptr<FakePluginStarter> own_starter_ = std::make_unique<FakePluginStarter>(&plugin_);
  // Lives as long as the engine.
  FakePluginStarter* const starter_ = own_starter_.get();
  std::unique_ptr<PluginEngine> engine_;
};

TEST_F(PluginEngineTest, ItStartsWhatTheCatalogHasForTheMount) {
  ASSERT_EQ(Create(), absl::OkStatus());
  EXPECT_THAT(starter_->Starts(), ElementsAre("requested: /plugins/notes 1"));
}

TEST_F(PluginEngineTest, WithoutAPluginThereIsNoEngine) {
  const absl::Status none = absl::NotFoundError("plugin not found in the catalog: notes");
  starter_->NextResolveFails(none);
  EXPECT_EQ(Create(), none);
}

TEST_F(PluginEngineTest, WhoMountsWhatDoesNotStartIsToldTheReason) {
  starter_->NextStartFails(
      WithReason(absl::StatusCode::kUnavailable, "it could not be started", "exit 3"));
  EXPECT_EQ(Create(), absl::UnavailableError("it could not be started: exit 3"));
}

TEST_F(PluginEngineTest, EachRequestIsTheCallOfItsName) {
  ASSERT_EQ(Create(), absl::OkStatus());
  EXPECT_TRUE(Read().ok());
  Answer<mounts::Reply> written;
  engine_->Write(Request(mounts::Operation::kUpdate, "b"), written.Callback());
  EXPECT_TRUE(written.Wait().ok());
  Answer<mounts::Existence> checked;
  engine_->CheckExistence(Request(mounts::Operation::kUpdate, "c"), checked.Callback());
  EXPECT_TRUE(checked.Wait().ok());
  EXPECT_THAT(plugin_.Rpcs(), ElementsAre("1 HandleRequest read a", "1 Write update b",
                                          "1 HandleExistenceCheck update c"));
}

TEST_F(PluginEngineTest, LargeRequestsTakeTurnsAndSmallOnesDoNotWait) {
  ASSERT_EQ(Create(), absl::OkStatus());
  plugin_.NextHangs();
  Answer<mounts::Reply> first;
  Answer<mounts::Reply> second;
  engine_->Handle(Request(mounts::Operation::kUpdate, "first", kLarge), first.Callback());
  engine_->Handle(Request(mounts::Operation::kUpdate, "second", kLarge), second.Callback());
  plugin_.AwaitRpcs(1);
  EXPECT_TRUE(Read().ok());
  EXPECT_THAT(plugin_.Rpcs(),
              ElementsAre("1 HandleRequest update first", "1 HandleRequest read a"));
  plugin_.Release();
  EXPECT_TRUE(first.Wait().ok());
  EXPECT_TRUE(second.Wait().ok());
  EXPECT_EQ(plugin_.Rpcs().back(), "1 HandleRequest update second");
}

// As PluginCallTest has it for calls: here the time that a large request has waited for its turn.
TEST_F(PluginEngineTest, WhatHasLostItsRightsWhileItWaitedForItsTurnIsNotSent) {
  ASSERT_EQ(Create(), absl::OkStatus());
  plugin_.NextHangs();
  Answer<mounts::Reply> first;
  Answer<mounts::Reply> second;
  engine_->Handle(Request(mounts::Operation::kUpdate, "first", kLarge), first.Callback());
  mounts::Request waits = Request(mounts::Operation::kUpdate, "second", kLarge);
  waits.still_allowed = [](std::string_view) { return false; };
  engine_->Handle(std::move(waits), second.Callback());
  const SteadyTime queued = SteadyTime::Now();
  plugin_.AwaitRpcs(1);
  // Longer than a moment.
  while (SteadyTime::Now() - queued < absl::Milliseconds(2)) std::this_thread::yield();
  plugin_.Release();
  EXPECT_EQ(second.Wait().status(), absl::PermissionDeniedError("permission denied"));
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(1));
}

TEST_F(PluginEngineTest, ItSaysWhatRunsNow) {
  ASSERT_EQ(Create(), absl::OkStatus());
  EXPECT_EQ(engine_->RunningVersion(), "v1");
  EXPECT_EQ(engine_->RunningSha256(), "sha256 of 1");
  const std::shared_ptr<const mounts::SpecialPaths> before = engine_->Special();
  ASSERT_EQ(engine_->Restart(Entry("2")), absl::OkStatus());
  EXPECT_EQ(engine_->RunningVersion(), "v2");
  EXPECT_EQ(engine_->RunningSha256(), "sha256 of 2");
  EXPECT_TRUE(engine_->Special()->root.Contains("root/2"));
  EXPECT_TRUE(before->root.Contains("root/1"));
}

TEST_F(PluginEngineTest, ARestartStartsWhatTheCatalogHasForTheNewEntry) {
  ASSERT_EQ(Create(), absl::OkStatus());
  ASSERT_EQ(engine_->Restart(Entry("2")), absl::OkStatus());
  EXPECT_THAT(starter_->Starts(),
              ElementsAre("requested: /plugins/notes 1", "requested: /plugins/notes 2"));
  EXPECT_TRUE(Read().ok());
  EXPECT_THAT(plugin_.Rpcs(), ElementsAre("2 HandleRequest read a"));
}

TEST_F(PluginEngineTest, ARestartForWhichThereIsNoPluginChangesNothingAndSaysWhatGoesOn) {
  ASSERT_EQ(Create(), absl::OkStatus());
  starter_->NextResolveFails(absl::NotFoundError("plugin not found in the catalog: notes"));
  EXPECT_EQ(engine_->Restart(Entry("2")),
            absl::NotFoundError("plugin not found in the catalog: notes; the mount goes on with "
                                "the process that it had"));
  EXPECT_TRUE(Read().ok());
  plugin_.Kill("1");
  starter_->NextResolveFails(absl::NotFoundError("plugin not found in the catalog: notes"));
  EXPECT_EQ(engine_->Restart(Entry("2")),
            absl::NotFoundError("plugin not found in the catalog: notes; the mount has no process "
                                "now, and its next request starts one"));
  EXPECT_THAT(starter_->Starts(), SizeIs(1));
}

TEST_F(PluginEngineTest, AfterACrashItStartsTheProgramAsItLiesThereNow) {
  ASSERT_EQ(Create(), absl::OkStatus());
  ASSERT_EQ(engine_->Restart(Entry("2")), absl::OkStatus());
  plugin_.NextKillsIt();
  EXPECT_TRUE(Read().ok());
  EXPECT_EQ(starter_->Starts().back(), "crash: /plugins/notes, rebuilt 2");
}

TEST_F(PluginEngineTest, KillIfSilentLooksAtTheInstanceThatRuns) {
  ASSERT_EQ(Create(), absl::OkStatus());
  EXPECT_THAT(plugin_.Looks(), IsEmpty());
  engine_->KillIfSilent();
  EXPECT_THAT(plugin_.Looks(), ElementsAre("1"));
}

TEST_F(PluginEngineTest, WhileItIsDisabledWhatFailsSaysSoAndNothingLargeWaits) {
  ASSERT_EQ(Create(), absl::OkStatus());
  plugin_.NextHangs();
  Answer<mounts::Reply> first;
  Answer<mounts::Reply> second;
  engine_->Handle(Request(mounts::Operation::kUpdate, "first", kLarge), first.Callback());
  plugin_.AwaitRpcs(1);
  engine_->Handle(Request(mounts::Operation::kUpdate, "second", kLarge), second.Callback());
  engine_->NoteDisabling(true);
  EXPECT_EQ(second.Wait().status().code(), absl::StatusCode::kAborted);
  plugin_.Kill("1");
  starter_->NextStartFails(absl::UnavailableError("no"));
  plugin_.Release();
  EXPECT_EQ(first.Wait().status(),
            absl::AbortedError(
                "the mount \"n/\" is being disabled, which has interrupted the request; it may or "
                "may not have been carried out (no)"));
  // It stays after all.
  engine_->NoteDisabling(false);
  EXPECT_TRUE(Read().ok());
}

TEST_F(PluginEngineTest, DestroyingItWaitsForRequestsUnderWay) {
  ASSERT_EQ(Create(), absl::OkStatus());
  plugin_.NextHangs();
  std::atomic<bool> answered = false;
  engine_->Handle(Request(mounts::Operation::kRead, "a"),
                  [&answered](const absl::StatusOr<mounts::Reply>&) { answered = true; });
  plugin_.AwaitRpcs(1);
  std::future<bool> answered_first = std::async(std::launch::async, [&] {
    engine_.reset();
    return answered.load();
  });
  plugin_.Release();
  EXPECT_TRUE(answered_first.get());
}

}  // namespace
}  // namespace belfry::plugin_host
