// What becomes of a request to a plugin, without processes: RPCs within this one, to a plugin that
// does what a test says.
#include "server/plugin_host/plugin_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/testing.h"
#include "server/plugin_host/fake_plugin.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/testing.h"

namespace belfry::plugin_host {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

constexpr char kData[] = R"({"text":"hi"})";

class PluginCallTest : public ::testing::Test {
 protected:
  PluginCallTest() {
    limits_.plugin_probe_timeout = absl::Milliseconds(1);
    LaunchSpec spec{.program = {.path = "/plugins/notes"}};
    spec.entry.path = "n/";
    spec.entry.type = "notes";
    spec.entry.plugin_version = "1";
    slot_ = std::make_unique<InstanceSlot>(&starter_, std::move(spec), plugin_.NewInstance(),
                                           NewElasticPool(1, 1024), metrics_.get(), limits_,
                                           Logger(log_, "plugins"));
  }

  // An update that went out at once.
  static PluginRequest Request() {
    PluginRequest request{.deadline = SteadyTime::Now() + absl::Minutes(5),
                          .allowed_at = SteadyTime::InfiniteFuture()};
    request.message.set_operation("update");
    request.message.set_path("notes/a");
    request.message.set_data(kData);
    request.message.set_mount_point("n/");
    request.message.set_mount_type("notes");
    return request;
  }
  // One that has waited for longer than a moment before it goes out.
  static PluginRequest LateRequest(std::function<bool(std::string_view)> still_allowed) {
    PluginRequest request = Request();
    request.still_allowed = std::move(still_allowed);
    request.allowed_at = SteadyTime::InfinitePast();
    return request;
  }

  absl::StatusOr<mounts::Reply> Handle(PluginRequest request = Request()) {
    Answer<mounts::Reply> answer;
    CallHandleRequest(slot_.get(), std::move(request), answer.Callback());
    return answer.Wait();
  }
  absl::StatusOr<mounts::Existence> Check(PluginRequest request = Request()) {
    Answer<mounts::Existence> answer;
    CallExistenceCheck(slot_.get(), std::move(request), answer.Callback());
    return answer.Wait();
  }
  absl::StatusOr<mounts::Reply> Write(PluginRequest request = Request()) {
    Answer<mounts::Reply> answer;
    CallWrite(slot_.get(), std::move(request), answer.Callback());
    return answer.Wait();
  }
  // The error that clients see of one that is none of the protocol.
  static std::string ErrorOf(const absl::StatusOr<mounts::Reply>& reply) {
    if (!reply.ok() || !reply->error) return "";
    return std::to_string(reply->error->http_status) + " " + reply->error->message;
  }

  void AnswerWithData(const std::string& data) {
    pb::HandleRequestReply reply;
    reply.mutable_response()->set_data(data);
    plugin_.AnswerWith(reply);
    v1::WriteReply written;
    *written.mutable_reply() = std::move(reply);
    plugin_.AnswerWith(std::move(written));
  }
  void AnswerThatItExists(bool exists) {
    pb::HandleExistenceCheckReply reply;
    reply.set_check_found(true);
    reply.set_exists(exists);
    plugin_.AnswerWith(std::move(reply));
  }
  // Of this kind (plugin-protocol 5.6), in answer to an existence check.
  void AnswerCheckWithError(std::uint32_t kind, const std::string& message) {
    pb::HandleExistenceCheckReply reply;
    reply.mutable_err()->set_err_type(kind);
    reply.mutable_err()->set_err_msg(message);
    v1::WriteReply written;
    *written.mutable_existence_error() = reply.err();
    plugin_.AnswerWith(std::move(reply));
    plugin_.AnswerWith(std::move(written));
  }

  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  Limits limits_;
  FakePlugin plugin_;
  FakePluginStarter starter_{&plugin_};
  // Waits for what the calls have left.
  std::unique_ptr<InstanceSlot> slot_;
};

TEST_F(PluginCallTest, ARequestIsOneRpcToTheInstanceThatTheSlotHas) {
  AnswerWithData(R"({"text":"ho"})");
  const absl::StatusOr<mounts::Reply> reply = Handle();
  ASSERT_TRUE(reply.ok() && reply->response) << reply.status();
  EXPECT_EQ(reply->response->data, R"({"text":"ho"})");
  EXPECT_FALSE(reply->error);
  EXPECT_THAT(plugin_.Rpcs(), ElementsAre("1 HandleRequest update notes/a"));
  EXPECT_THAT(plugin_.NotedAnswers(), ElementsAre("1"));
  EXPECT_THAT(plugin_.Looks(), IsEmpty());
}

TEST_F(PluginCallTest, AnExistenceCheckSaysWhatThePluginFound) {
  EXPECT_EQ(*Check(), mounts::Existence::kUnknown);
  AnswerThatItExists(true);
  EXPECT_EQ(*Check(), mounts::Existence::kExists);
  AnswerThatItExists(false);
  EXPECT_EQ(*Check(), mounts::Existence::kMissing);
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(3));
}

TEST_F(PluginCallTest, AnExistenceCheckThatFailsIsTheMistakeOfWhoAskedOrThePlugins) {
  constexpr std::uint32_t kUser = 1;
  constexpr std::uint32_t kUnsupportedPath = 6;
  AnswerCheckWithError(kUser, "no such field");
  EXPECT_EQ(Check().status(), absl::InvalidArgumentError("no such field"));
  EXPECT_EQ(Write().status(), absl::InvalidArgumentError("no such field"));
  AnswerCheckWithError(0, "out of order");
  EXPECT_EQ(Check().status(), absl::InternalError("out of order"));
  EXPECT_EQ(Write().status(), absl::InternalError("out of order"));
  // It is told so when the request itself arrives.
  AnswerCheckWithError(kUnsupportedPath, "");
  EXPECT_EQ(*Check(), mounts::Existence::kUnknown);
}

TEST_F(PluginCallTest, AnRpcThatBreaksIsSentOnceMoreToTheNextInstance) {
  AnswerWithData("{}");
  plugin_.NextKillsIt();
  EXPECT_TRUE(Handle()->response);
  EXPECT_THAT(plugin_.Rpcs(),
              ElementsAre("1 HandleRequest update notes/a", "2 HandleRequest update notes/a"));
  EXPECT_THAT(starter_.Starts(), ElementsAre("crash: /plugins/notes, rebuilt 1"));
  EXPECT_THAT(plugin_.NotedAnswers(), ElementsAre("2"));
}

TEST_F(PluginCallTest, AnRpcThatBreaksTwiceFails) {
  for (int i = 0; i < 2; ++i) plugin_.NextKillsIt();
  EXPECT_EQ(Handle().status(),
            absl::UnavailableError("the plugin died, was restarted and died again: Socket closed"));
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(2));
  // Nobody has asked for a third.
  EXPECT_THAT(starter_.Starts(), SizeIs(1));
}

TEST_F(PluginCallTest, AnInstanceThatDiedIdleCostsNoAttempt) {
  plugin_.Kill("1");
  plugin_.NextKillsIt();
  EXPECT_TRUE(Handle().ok());
  EXPECT_THAT(plugin_.Rpcs(),
              ElementsAre("2 HandleRequest update notes/a", "3 HandleRequest update notes/a"));
}

TEST_F(PluginCallTest, AnIdleDeathIsNoThirdAttemptEither) {
  plugin_.Kill("1");
  for (int i = 0; i < 2; ++i) plugin_.NextKillsIt();
  EXPECT_EQ(Handle().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(2));
}

TEST_F(PluginCallTest, WhatIsUnavailableAccordingToAPluginThatLivesIsItsAnswer) {
  plugin_.NextEndsWith({grpc::StatusCode::UNAVAILABLE, "come back later"});
  EXPECT_EQ(ErrorOf(Handle()), "500 rpc error: code = Unavailable desc = come back later");
  plugin_.NextEndsWith({grpc::StatusCode::UNAVAILABLE, "come back later"});
  EXPECT_EQ(Check().status(),
            absl::InternalError("rpc error: code = Unavailable desc = come back later"));
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(2));
  EXPECT_THAT(plugin_.Looks(), ElementsAre("1", "1"));
  EXPECT_THAT(starter_.Starts(), IsEmpty());
}

TEST_F(PluginCallTest, AnyOtherErrorIsThePluginsAnswerAtOnce) {
  const grpc::Status refused(grpc::StatusCode::FAILED_PRECONDITION, "not now");
  const std::string told = "rpc error: code = FailedPrecondition desc = not now";
  for (int i = 0; i < 3; ++i) plugin_.NextEndsWith(refused);
  EXPECT_EQ(ErrorOf(Handle()), "500 " + told);
  EXPECT_EQ(ErrorOf(Write()), "500 " + told);
  EXPECT_EQ(Check().status(), absl::InternalError(told));
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(3));
  EXPECT_THAT(plugin_.Looks(), IsEmpty());
  EXPECT_THAT(plugin_.NotedAnswers(), IsEmpty());
}

TEST_F(PluginCallTest, AReplyThatCannotBeReadIsAnError) {
  pb::HandleRequestReply reply;
  // A response of which the bytes are no message.
  reply.GetReflection()->MutableUnknownFields(&reply)->AddLengthDelimited(1, "\xff");
  plugin_.AnswerWith(std::move(reply));
  EXPECT_EQ(ErrorOf(Handle()), "500 rpc error: code = Internal desc = malformed reply");
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(1));
}

TEST_F(PluginCallTest, WhenThePluginDoesNotStartAgainClientsAreToldWithoutTheReason) {
  const absl::Status failure =
      WithReason(absl::StatusCode::kUnavailable, "it could not be started", "exit 3");
  const absl::Status told =
      absl::UnavailableError("it could not be started; the server's log says why");
  plugin_.NextKillsIt();
  starter_.NextStartFails(failure);
  EXPECT_EQ(Handle().status(), told);
  // Found dead by the next one.
  starter_.NextStartFails(failure);
  EXPECT_EQ(Handle().status(), told);
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(1));
  EXPECT_TRUE(Handle().ok());
}

TEST_F(PluginCallTest, WhatBreaksWhileTheHostStopsIsAborted) {
  plugin_.NextKillsIt();
  starter_.Stop();
  starter_.NextStartFails(absl::UnavailableError("the server is stopping"));
  EXPECT_EQ(Handle().status(),
            absl::AbortedError(
                "the server is stopping; the request may or may not have been carried out"));
}

TEST_F(PluginCallTest, WhatIsCancelledIsNotSentAgain) {
  plugin_.NextEndsWith(grpc::Status::CANCELLED);
  EXPECT_EQ(Handle().status(), absl::CancelledError("the request was cancelled"));
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(1));
  EXPECT_THAT(plugin_.Looks(), IsEmpty());
}

TEST_F(PluginCallTest, WhatIsNotAnsweredByItsDeadlineIsNotSentAgainAndLogged) {
  plugin_.NextHangs();
  PluginRequest request = Request();
  request.deadline = SteadyTime::Now() + absl::Milliseconds(20);
  const absl::Status late = Handle(std::move(request)).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()),
              AllOf(HasSubstr("the plugin \"notes\" of the mount \"n/\" did not answer within "),
                    HasSubstr("PUT sys/plugins/reload/backend {\"mounts\":\"n/\"}")));
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(Le(1)));
  EXPECT_THAT(plugin_.Looks(), IsEmpty());
  EXPECT_THAT(log_->Lines(), ElementsAre(HasSubstr("did not answer a request in time")));
}

TEST_F(PluginCallTest, WhatGoesOutLateAsksForItsRightsAgain) {
  std::vector<std::string> asked;
  EXPECT_TRUE(Handle(LateRequest([&asked](std::string_view data) {
                asked.emplace_back(data);
                return true;
              })).ok());
  EXPECT_THAT(asked, ElementsAre(kData));
}

TEST_F(PluginCallTest, WhatHasLostItsRightsIsNotSent) {
  const auto refuse = [](std::string_view) { return false; };
  const absl::Status refused = absl::PermissionDeniedError("permission denied");
  EXPECT_EQ(Handle(LateRequest(refuse)).status(), refused);
  EXPECT_EQ(Check(LateRequest(refuse)).status(), refused);
  EXPECT_EQ(Write(LateRequest(refuse)).status(), refused);
  EXPECT_THAT(plugin_.Rpcs(), IsEmpty());
}

TEST_F(PluginCallTest, WhatGoesOutAtOnceDoesNotAskForItsRightsAgain) {
  int asked = 0;
  PluginRequest request = Request();
  request.still_allowed = [&asked](std::string_view) {
    ++asked;
    return false;
  };
  EXPECT_TRUE(Handle(std::move(request)).ok());
  EXPECT_EQ(asked, 0);
}

TEST_F(PluginCallTest, ASecondAttemptAsksForItsRightsAgain) {
  plugin_.NextKillsIt();
  int asked = 0;
  EXPECT_EQ(Handle(LateRequest([&asked](std::string_view) { return ++asked == 1; })).status(),
            absl::PermissionDeniedError("permission denied"));
  EXPECT_THAT(plugin_.Rpcs(), ElementsAre("1 HandleRequest update notes/a"));
}

TEST_F(PluginCallTest, AWriteIsOneCallToAPluginThatKnowsIt) {
  AnswerWithData("{}");
  EXPECT_TRUE(Write()->response);
  EXPECT_THAT(plugin_.Rpcs(), ElementsAre("1 Write update notes/a"));
}

TEST_F(PluginCallTest, AWriteThatBreaksIsSentOnceMore) {
  plugin_.NextKillsIt();
  EXPECT_TRUE(Write().ok());
  EXPECT_THAT(plugin_.Rpcs(), ElementsAre("1 Write update notes/a", "2 Write update notes/a"));
}

TEST_F(PluginCallTest, APluginThatDoesNotKnowWritesIsAskedWhatItKnows) {
  plugin_.ForgetWrites();
  AnswerThatItExists(true);
  AnswerWithData("{}");
  EXPECT_TRUE(Write()->response);
  EXPECT_THAT(plugin_.Rpcs(),
              ElementsAre("1 Write update notes/a", "1 HandleExistenceCheck update notes/a",
                          "1 HandleRequest update notes/a"));
}

TEST_F(PluginCallTest, WhatDoesNotExistIsThenCreated) {
  plugin_.ForgetWrites();
  AnswerThatItExists(false);
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(plugin_.Rpcs().back(), "1 HandleRequest create notes/a");
}

TEST_F(PluginCallTest, AnInstanceIsNotAskedForWritesAgainButTheNextOneIs) {
  plugin_.ForgetWrites();
  EXPECT_TRUE(Write().ok());
  EXPECT_TRUE(Write().ok());
  EXPECT_THAT(
      plugin_.Rpcs(),
      ElementsAre("1 Write update notes/a",  //
                  "1 HandleExistenceCheck update notes/a", "1 HandleRequest update notes/a",
                  "1 HandleExistenceCheck update notes/a", "1 HandleRequest update notes/a"));
  plugin_.Kill("1");
  // Finds it dead: what the one before did not know still goes for this request.
  EXPECT_TRUE(Write().ok());
  EXPECT_THAT(plugin_.Rpcs(), SizeIs(7));
  EXPECT_TRUE(Write().ok());
  EXPECT_EQ(plugin_.Rpcs().at(7), "2 Write update notes/a");
}

TEST_F(PluginCallTest, AWriteInTwoQuestionsEndsWithTheFirstThatFails) {
  plugin_.ForgetWrites();
  AnswerCheckWithError(1, "no such field");
  EXPECT_EQ(Write().status(), absl::InvalidArgumentError("no such field"));
  EXPECT_EQ(plugin_.Rpcs().back(), "1 HandleExistenceCheck update notes/a");
}

TEST_F(PluginCallTest, EachOfTheTwoQuestionsHasItsSecondAttemptAndAsksForItsRights) {
  plugin_.ForgetWrites();
  for (int i = 0; i < 2; ++i) {
    plugin_.NextKillsIt();
    plugin_.NextEndsWith(grpc::Status::OK);
  }
  int asked = 0;
  EXPECT_TRUE(Write(LateRequest([&asked](std::string_view) {
                ++asked;
                return true;
              })).ok());
  EXPECT_THAT(plugin_.Rpcs(),
              ElementsAre("1 Write update notes/a", "1 HandleExistenceCheck update notes/a",
                          "2 HandleExistenceCheck update notes/a", "2 HandleRequest update notes/a",
                          "3 HandleRequest update notes/a"));
  EXPECT_EQ(asked, 5);
}

TEST_F(PluginCallTest, TheSlotWaitsForItsCalls) {
  plugin_.NextHangs();
  std::atomic<bool> answered = false;
  CallHandleRequest(slot_.get(), Request(),
                    [&answered](const absl::StatusOr<mounts::Reply>&) { answered = true; });
  plugin_.AwaitRpcs(1);
  std::future<bool> answered_first = std::async(std::launch::async, [&] {
    slot_->Stop();
    return answered.load();
  });
  EXPECT_NE(slot_->state(), InstanceSlot::State::kStopped);
  plugin_.Release();
  EXPECT_TRUE(answered_first.get());
}

TEST_F(PluginCallTest, AStoppedSlotIsUnavailable) {
  slot_->Stop();
  EXPECT_EQ(Handle().status(), absl::UnavailableError("the plugin has been stopped"));
  EXPECT_THAT(plugin_.Rpcs(), IsEmpty());
}

TEST_F(PluginCallTest, EveryCallIsAnsweredOnceWhateverDiesAndRestartsMeanwhile) {
  constexpr int kCalls = 300;
  std::vector<Answer<mounts::Reply>> answers(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    if (i % 20 == 0) plugin_.NextKillsIt();
    auto* const call = i % 2 == 0 ? CallHandleRequest : CallWrite;
    call(slot_.get(), Request(), answers[static_cast<std::size_t>(i)].Callback());
    if (i % 50 == 0) {
      LaunchSpec spec{.program = {.path = "/plugins/notes"}};
      EXPECT_EQ(slot_->Restart(std::move(spec)), absl::OkStatus());
    }
  }
  slot_->Stop();
  for (Answer<mounts::Reply>& answer : answers) {
    const absl::Status status = answer.Wait().status();
    // Those that two deaths have hit, perhaps while a restart waited for them.
    EXPECT_TRUE(status.ok() || absl::IsUnavailable(status) || absl::IsAborted(status)) << status;
  }
}

}  // namespace
}  // namespace belfry::plugin_host
