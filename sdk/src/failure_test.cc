#include "sdk/src/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "belfry/engine.h"
#include "belfry/status_macros.h"
#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"

namespace belfry {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsNoContent;
using testing::IsNotFound;
using testing::LoggedLine;
using ::testing::Pair;
using ::testing::SizeIs;

[[noreturn]] void Boom() {
  throw std::runtime_error("boom");
}

// Fails in each way, each at a path of its own.
void DefineFailures(Engine& engine) {
  const auto read = [&engine](const char* path, auto answer) {
    engine.Path(path, "").OnRead([answer](Request&) -> Result { return answer(); });
  };
  read("throws", []() -> Result { Boom(); });
  read("throws-an-int", []() -> Result { throw 7; });
  for (const int status : {0, 99, 100, 199, 200, 302, 399, 400, 418, 500, 599, 600, 1000}) {
    read(("error/" + std::to_string(status)).c_str(),
         [status]() -> Result { return HttpError(status, "fine"); });
    read(("status/" + std::to_string(status)).c_str(),
         [status]() -> Result { return Response::WithStatus(status, {}); });
    read(("raw/" + std::to_string(status)).c_str(),
         [status]() -> Result { return Response::Raw(status, "text/plain", "x"); });
  }
  read("login", []() -> Result { return Response::Login({}); });
  for (const absl::StatusCode code :
       {absl::StatusCode::kInternal, absl::StatusCode::kUnknown, absl::StatusCode::kDataLoss,
        absl::StatusCode::kOutOfRange, absl::StatusCode::kInvalidArgument,
        absl::StatusCode::kNotFound, absl::StatusCode::kUnavailable}) {
    read(absl::StatusCodeToString(code).c_str(),
         [code]() -> Result { return absl::Status(code, "corrupt"); });
  }
  engine.BeforeEach([](Request& request) -> absl::Status {
    if (request.path() == "refused") Boom();
    return absl::OkStatus();
  });
  read("refused", []() -> Result { return Response::NoContent(); });
  Route& written = engine.Path("written/{name}", "");
  written.ExistsIf([](Request&) -> absl::StatusOr<bool> { Boom(); });
  written.OnWrite([](Request&) -> Result { return Response::NotFound(); });
  Route& gone = engine.Path("gone", "").OnlyUpdates();
  const auto answer = [](Request&) -> Result { return Response::NotFound(); };
  gone.OnUpdate(answer).OnDelete(answer).OnPatch(answer);
  SecretKind& kind = engine.Secret("kind");
  kind.OnRenew([](Request&, const LeasedSecret&) -> absl::StatusOr<Lease> { Boom(); });
  kind.OnRevoke([](Request&, const LeasedSecret&) -> absl::Status { Boom(); });
  engine.Path("secret", "").OnRead([&kind](Request&) -> Result {
    return Response::Secret(kind, {}, {.ttl = absl::Hours(1)});
  });
  engine.Every(absl::Minutes(1), [](HookContext&) -> absl::Status { Boom(); });
  engine.OnInvalidate([](HookContext&, std::string_view) { Boom(); });
  engine.OnCleanup([](HookContext&) -> absl::Status { Boom(); });
}

class FailureTest : public testing::OnBothHosts {
 protected:
  // The errors that were logged of requests of this path.
  std::vector<std::string> LoggedOf(const std::string& path) const {
    std::vector<std::string> errors;
    for (const LoggedLine& line : host_->log()) {
      const auto found = line.fields.find("path");
      const auto error = line.fields.find("error");
      if (found != line.fields.end() && found->second == path && error != line.fields.end())
        errors.push_back(error->second);
    }
    return errors;
  }
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineFailures);
};
BELFRY_RUN_ON_BOTH_HOSTS(FailureTest);

constexpr char kWhereToLook[] =
    "the plugin failed at this request; the server's log says why, at "
    "request_id=00000000-0000-4000-8000-000000000000";

TEST_P(FailureTest, AnExceptionIsA500ThatSaysWhereToLookAndTheLogHasItsText) {
  for (const char* path : {"throws", "refused"}) {
    EXPECT_EQ(host_->Read(path).status(), absl::InternalError(kWhereToLook));
    EXPECT_THAT(LoggedOf(path), ElementsAre(HasSubstr("threw an exception: boom")));
  }
  EXPECT_EQ(host_->Read("throws-an-int").status(), absl::InternalError(kWhereToLook));
  EXPECT_THAT(LoggedOf("throws-an-int"), ElementsAre(HasSubstr("it is no std::exception")));
}

TEST_P(FailureTest, SoIsOneOfAnExistenceCheckARenewalAndARevocation) {
  EXPECT_THAT(host_->Write("written/a", {}),
              FailsWith(absl::StatusCode::kInternal, "the server's log says why"));
  EXPECT_THAT(LoggedOf("written/a"),
              ElementsAre(HasSubstr("the existence check threw an exception: boom")));
  const Response secret = *host_->Read("secret");
  EXPECT_THAT(host_->Renew("secret", secret),
              FailsWith(absl::StatusCode::kInternal, "the server's log says why"));
  EXPECT_EQ(host_->Revoke("secret", secret), absl::InternalError(kWhereToLook));
  EXPECT_THAT(LoggedOf("secret"), ElementsAre(HasSubstr("OnRenew threw an exception: boom"),
                                              HasSubstr("OnRevoke threw an exception: boom")));
}

TEST_P(FailureTest, AnExceptionOfAHookIsItsFailure) {
  EXPECT_EQ(host_->Tick(), absl::InternalError("a hook of Every threw an exception: boom"));
  host_->Invalidate("a");
  host_->Restart({});
  const std::vector<LoggedLine> log = host_->log();
  ASSERT_THAT(log, SizeIs(2));
  EXPECT_THAT(log[0].fields,
              ElementsAre(Pair("error", HasSubstr("OnInvalidate threw an exception: boom"))));
  EXPECT_THAT(log[1].fields,
              ElementsAre(Pair("error", HasSubstr("OnCleanup threw an exception: boom"))));
}

TEST_P(FailureTest, WhatBecomesA500IsLoggedAndWhatTheClientIsToldOfIsNot) {
  for (const char* path : {"INTERNAL", "UNKNOWN", "DATA_LOSS", "OUT_OF_RANGE"}) {
    EXPECT_FALSE(host_->Read(path).ok());
    EXPECT_THAT(LoggedOf(path), ElementsAre(HasSubstr(": corrupt"))) << path;
  }
  for (const char* path : {"INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE", "nowhere"}) {
    EXPECT_FALSE(host_->Read(path).ok());
    EXPECT_THAT(LoggedOf(path), IsEmpty()) << path;
  }
}

TEST_P(FailureTest, AnErrorHasAnErrorsStatus) {
  for (const int status : {0, 99, 100, 199, 200, 302, 399, 600, 1000}) {
    const std::string path = "error/" + std::to_string(status);
    EXPECT_EQ(host_->Read(path).status(),
              absl::InternalError("the plugin's answer was refused: HttpError takes a status from "
                                  "400 to 599, not " +
                                  std::to_string(status)));
    EXPECT_THAT(LoggedOf(path), SizeIs(1));
  }
  for (const int status : {400, 418, 500, 599}) {
    const std::string path = "error/" + std::to_string(status);
    EXPECT_THAT(std::string(host_->Read(path).status().message()), "fine") << status;
  }
}

TEST_P(FailureTest, AnAnswerHasAnAnswersStatus) {
  for (const char* kind : {"status/", "raw/"}) {
    for (const int status : {0, 99, 100, 199, 600, 1000}) {
      EXPECT_EQ(host_->Read(kind + std::to_string(status)).status(),
                absl::InternalError("the plugin's answer was refused: an answer has an HTTP status "
                                    "from 200 to 599, not " +
                                    std::to_string(status)));
    }
    for (const int status : {200, 302, 400, 418, 599}) {
      EXPECT_EQ(host_->Read(kind + std::to_string(status)).status(), absl::OkStatus()) << status;
    }
  }
}

TEST_P(FailureTest, ASecretsEngineLogsNobodyIn) {
  EXPECT_THAT(host_->Read("login"), FailsWith(absl::StatusCode::kInternal,
                                              "Response::Login is for engines that are "
                                              "served as EngineKind::kAuth"));
  EXPECT_THAT(LoggedOf("login"), SizeIs(1));
}

TEST_P(FailureTest, NoSuchThingIsAnAnswerToEveryOperation) {
  EXPECT_THAT(host_->Write("gone", {}), IsNotFound());
  EXPECT_THAT(host_->Delete("gone"), IsNotFound());
  EXPECT_THAT(host_->Patch("gone", {}), IsNotFound());
}

// What a plugin learns of its host, and says to it.
void DefineTalk(Engine& engine) {
  engine.log().Info("defined");
  engine.OnInitialize([](HookContext& host) {
    host.log.Warn("initialized", {{"at", absl::FormatTime(host.Now(), absl::UTCTimeZone())}});
    return absl::OkStatus();
  });
  engine.Path("log", "").OnRead([](Request& request) -> Result {
    request.log().Error("read", {{"a", "1"}, {"b", "2"}});
    return Response::NoContent();
  });
  engine.Path("now", "").OnRead([&engine](Request& request) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const LeaseTtls ttls, request.Ttls());
    BELFRY_ASSIGN_OR_RETURN(const LeaseTtls same, engine.Ttls());
    return Response::Data({{"now", absl::ToUnixSeconds(request.Now())},
                           {"late", request.deadline() <= request.Now()},
                           {"default", absl::FormatDuration(ttls.default_ttl)},
                           {"max", absl::FormatDuration(same.max_ttl)}});
  });
  Route& tell = engine.Path("tell", "").OnlyUpdates();
  const auto path = tell.Field<std::string>("path", "");
  const auto bytes = tell.Field<std::int64_t>("bytes", "");
  tell.OnUpdate([path, bytes](Request& request) -> Result {
    const std::string note(static_cast<std::size_t>(request[bytes]), 'x');
    BELFRY_RETURN_IF_ERROR(
        request.events().Send("talk/tell", {.path = request[path], .extra = {{"note", note}}}));
    return Response::NoContent();
  });
  engine.Every(absl::Hours(24), [](HookContext& host) {
    return host.storage.Put("ran/" + std::to_string(absl::ToUnixSeconds(host.Now())), "");
  });
}

class TalkTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineTalk);
};
BELFRY_RUN_ON_BOTH_HOSTS(TalkTest);

TEST_P(TalkTest, TheLogHasWhatThePluginSays) {
  ASSERT_THAT(host_->Read("log"), IsNoContent());
  const std::vector<LoggedLine> log = host_->log();
  ASSERT_THAT(log, SizeIs(3));
  EXPECT_EQ(log[0].message, "defined");
  EXPECT_EQ(log[1].level, LogLevel::kWarn);
  EXPECT_THAT(log[1].fields, ElementsAre(Pair("at", "2023-11-14T22:13:20+00:00")));
  EXPECT_EQ(log[2].level, LogLevel::kError);
  EXPECT_THAT(log[2].fields, ElementsAre(Pair("a", "1"), Pair("b", "2")));
}

TEST_P(TalkTest, TimeAndTermsAreWhatTheTestSays) {
  EXPECT_THAT(host_->Read("now"),
              testing::IsData(R"({"default":"768h","late":false,"max":"768h","now":1700000000})"));
  host_->Advance(absl::Hours(1));
  host_->SetTtls({absl::Minutes(5), absl::Hours(2)});
  EXPECT_EQ(host_->Now(), testing::kStartOfTime + absl::Hours(1));
  EXPECT_THAT(host_->Read("now"),
              testing::IsData(R"({"default":"5m","late":false,"max":"2h","now":1700003600})"));
}

TEST_P(TalkTest, AnEventIsWellFormedOrRefused) {
  for (const char* path : {"", "/ok/x", "ok//x", "ok/../x", "ok/x/", "ok\n"}) {
    EXPECT_EQ(host_->Write("tell", {{"path", path}}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << path;
  }
  EXPECT_THAT(host_->Write("tell", {{"path", "ok"}, {"bytes", 28 * 1024}}),
              FailsWith(absl::StatusCode::kInvalidArgument, "28672 bytes of metadata"));
  EXPECT_THAT(host_->events(), IsEmpty());
  EXPECT_THAT(host_->Write("tell", {{"path", "ok"}, {"bytes", 28 * 1024 - 100}}), IsNoContent());
  EXPECT_THAT(host_->events(), ElementsAre(testing::EventIs("talk/tell", "ok")));
}

TEST_P(TalkTest, ADailyHookRunsOnceADayHoweverOftenThePluginIsStarted) {
  for (int hour = 0; hour < 49; ++hour) {
    EXPECT_EQ(host_->Tick(), absl::OkStatus());
    host_->Advance(absl::Hours(1));
    if (hour % 5 == 0) host_->Restart({});
  }
  EXPECT_THAT(*host_->storage().List("ran/"),
              ElementsAre("1700000000", "1700086400", "1700172800"));
}

TEST(FailureDeathTest, WhatKeepsAMountFromStartingStopsATestByItsReason) {
  EXPECT_DEATH((void)testing::NewFakeHost([](Engine&) { Boom(); }),
               "`define` threw an exception: boom");
  EXPECT_DEATH((void)testing::NewFakeHost([](Engine& engine) {
                 engine.OnInitialize([](HookContext&) -> absl::Status { Boom(); });
               }),
               "OnInitialize threw an exception: boom");
}

TEST(FailureOnFakeHost, AnExceptionInTheBackgroundIsItsFailure) {
  const auto host = testing::NewFakeHost(
      [](Engine& engine) { engine.InBackground([](HookContext&) -> absl::Status { Boom(); }); });
  EXPECT_THAT(std::string(host->RunBackground().message()),
              HasSubstr("a hook of InBackground threw an exception: boom"));
}

}  // namespace
}  // namespace belfry
