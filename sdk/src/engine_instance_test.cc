#include "sdk/src/engine_instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"

namespace belfry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

void DefineBook(Engine& engine) {
  Route& page = engine.Path("pages/{number}", "One page.");
  const auto number = page.Param("number");
  const auto text = page.Field<std::string>("text", "What it says.");
  const auto copies = page.Field<std::int64_t>("copies", "How many.");
  page.Require(text).Default(copies, 1);
  page.OnCreate([=](Request& r) -> Result {
    return Response::Data(
        {{"did", "create " + r[number]}, {"copies", r[copies]}, {"given", r.Has(copies)}});
  });
  page.OnUpdate([=](Request& r) -> Result {
    return Response::Data({{"did", "update " + r[text]}});
  });
  page.OnDelete(
      [](Request&) -> Result { return absl::FailedPreconditionError("the page is glued in"); });

  engine.Path("pages", "All pages.").OnList([](Request& r) -> Result {
    return Response::List({std::string(r.path())});
  });
  engine.Path("rest/first", "Not the rest.").OnRead([](Request&) -> Result {
    return Response::NotFound();
  });
  engine.Path("rest/{path...}", "Anything.").OnRead([](Request& r) -> Result {
    return Response::Data({{"path", r.path()}});
  });
}

class EngineTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineBook);
};
BELFRY_RUN_ON_BOTH_HOSTS(EngineTest);

// Hosts that authorise "rest/a//b" would store and report another name than they were asked about.
TEST_P(EngineTest, APathThatIsNotCleanIsRefused) {
  for (const char* path :
       {"rest//a", "rest/a//b", "rest/a//", "/rest/a", "rest/./a", "rest/../a", "rest/..", "."}) {
    EXPECT_EQ(host_->Read(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(host_->Write(path, {}).status().code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(host_->Delete(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(host_->List(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
  }
  EXPECT_TRUE(host_->Read("rest/a/").ok());
  EXPECT_TRUE(host_->Read("rest/...").ok());
}

TEST_P(EngineTest, WithoutTheKeyAWriteIsACreateAndWithItAnUpdate) {
  EXPECT_EQ(Json(host_->Write("pages/7", {{"text", "x"}})->data()).Dump(),
            R"({"copies":1,"did":"create 7","given":false})");
  ASSERT_TRUE(host_->storage().Put("pages/7", "there").ok());
  EXPECT_EQ(Json(host_->Write("pages/7", {{"text", "x"}})->data()).Dump(), R"({"did":"update x"})");
}

TEST_P(EngineTest, ARequiredFieldThatIsMissingIsInvalid) {
  EXPECT_EQ(host_->Write("pages/7", {}).status(),
            absl::InvalidArgumentError("missing required field \"text\""));
  EXPECT_EQ(host_->Write("pages/7", {{"text", nullptr}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(EngineTest, AFieldThatDoesNotConvertIsInvalid) {
  EXPECT_EQ(Message(host_->Write("pages/7", {{"text", "x"}, {"copies", "many"}}).status()),
            "Field validation failed: error converting input for field \"copies\": expected an "
            "integer, got a string that is not one");
}

// Only a route that says when things exist is asked with its fields.
TEST_P(EngineTest, AFieldThatDoesNotConvertIsInvalidBeforeAnybodyLooks) {
  const auto host = NewHost([](Engine& engine) {
    Route& route = engine.Path("a", "");
    route.Field<bool>("b", "");
    route.OnWrite([](Request&) -> Result { return Response::NoContent(); });
    route.ExistsIf([](Request&) { return true; });
  });
  EXPECT_EQ(host->Write("a", {{"b", Json::Array()}}).status(),
            absl::InvalidArgumentError(
                "error converting input for field \"b\": expected a boolean, got an array"));
}

TEST_P(EngineTest, WithoutAnythingToCreateEveryWriteIsAnUpdate) {
  const auto host = NewHost([](Engine& engine) {
    Route& route = engine.Path("a", "");
    route.OnlyUpdates();
    route.OnUpdate([](Request&) -> Result { return Response::NoContent(); });
  });
  EXPECT_THAT(host->Write("a", {}), testing::IsNoContent());
}

TEST_P(EngineTest, UnknownAndShadowedFieldsAreWarnedAbout) {
  EXPECT_THAT(
      host_->Write("pages/7", {{"text", "x"}, {"number", "8"}, {"b", 1}, {"a", nullptr}})
          ->warnings(),
      ElementsAre("Endpoint ignored these unrecognized parameters: [a b]",
                  "Endpoint replaced the value of these parameters with the values captured from "
                  "the endpoint's path: [number]"));
  EXPECT_THAT(host_->Write("pages/7", {{"text", "x"}, {"number", nullptr}})->warnings(),
              ElementsAre());
}

TEST_P(EngineTest, AnAnswerWithAStatusOfItsOwnIsFinal) {
  const auto host = NewHost([](Engine& engine) {
    engine.Path("a", "").OnRead([](Request&) -> Result { return Response::WithStatus(404, {}); });
  });
  EXPECT_THAT(host->Read("a", {{"unknown", "x"}})->warnings(), ElementsAre());
}

TEST_P(EngineTest, AnOperationWithoutHandlerIsUnimplemented) {
  EXPECT_EQ(host_->Read("pages/7").status(), absl::UnimplementedError("unsupported operation"));
  EXPECT_EQ(host_->Patch("pages/7", {}).status(),
            absl::UnimplementedError("unsupported operation"));
}

TEST_P(EngineTest, APathWithoutRouteIsUnsupported) {
  for (const char* path : {"nowhere", "pages/a@b", "pages/", "pages/1/2"})
    EXPECT_EQ(host_->Read(path).status(), absl::UnimplementedError("unsupported path")) << path;
}

TEST_P(EngineTest, TheLogSaysWhichPathWasNearestAndWhyItDoesNotMatch) {
  (void)host_->Read("pages/alice@x");
  ASSERT_FALSE(host_->log().empty());
  const testing::LoggedLine line = host_->log().back();
  EXPECT_EQ(line.level, LogLevel::kDebug);
  EXPECT_EQ(line.fields.at("path"), "pages/alice@x");
  EXPECT_THAT(line.fields.at("nearest"),
              ::testing::MatchesRegex("path \"pages/.number.\" .engine_instance_test.cc:[0-9]+.: "
                                      "after \"pages/alice\" it expects .number., which takes "
                                      "letters, .* or the end, not \"@x\""));
}

TEST_P(EngineTest, AListToleratesItsTrailingSlash) {
  EXPECT_EQ(Json(host_->List("pages")->data()).Dump(), R"({"keys":["pages/"]})");
}

TEST_P(EngineTest, OfTwoRoutesThatMatchTheFirstWins) {
  EXPECT_THAT(host_->Read("rest/first"), testing::IsNotFound());
  EXPECT_THAT(host_->Read("rest/second"), testing::IsData(R"({"path":"rest/second"})"));
}

TEST_P(EngineTest, AHandlersStatusReachesTheCaller) {
  EXPECT_EQ(host_->Delete("pages/7").status(),
            absl::FailedPreconditionError("the page is glued in"));
}

TEST_P(EngineTest, AnErrorOfTheExistenceCheckIsNotTakenForAbsence) {
  host_->storage().FailNext(absl::UnavailableError("gone"));
  EXPECT_EQ(host_->Write("pages/7", {{"text", "x"}}).status(), absl::UnavailableError("gone"));
}

TEST(SecretsEngineDeathTest, AFieldOfAnotherRouteStopsTheProgramByName) {
  const auto define = [](Engine& engine) {
    const auto nothing = [](Request&) -> Result { return Response::NoContent(); };
    const auto foreign = engine.Path("one", "").OnRead(nothing).Field<std::string>("text", "");
    engine.Path("two", "").OnRead([foreign](Request& r) -> Result {
      return Response::Data({{"x", r[foreign]}});
    });
  };
  EXPECT_DEATH((void)testing::NewFakeHost(define)->Read("two"),
               "handler of the path \"two\" asked for a field of the path \"one\"");
}

// Writes down which hook ran, and for what.
void DefineHooks(Engine& engine) {
  const auto note = [](const char* key) {
    return [key](HookContext& context) { return context.storage.Put(key, "ran"); };
  };
  engine.OnInitialize(note("initialized")).Every(absl::Hours(1), note("ticked"));
  engine.Every(absl::Minutes(1), [](HookContext&) { return absl::AbortedError("not today"); });
  engine.OnInvalidate([](HookContext& context, std::string_view key) {
    (void)context.storage.Put("invalidated", key);
  });
}

class HooksTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineHooks);
};
BELFRY_RUN_ON_BOTH_HOSTS(HooksTest);

TEST_P(HooksTest, InitializeComesFirst) {
  EXPECT_EQ(*host_->storage().Get("initialized"), "ran");
  EXPECT_EQ(*host_->storage().Get("ticked"), std::nullopt);
}

TEST_P(HooksTest, ATickRunsWhatIsDueAndTellsTheFailure) {
  EXPECT_EQ(host_->Tick(), absl::AbortedError("not today"));
  EXPECT_EQ(*host_->storage().Get("ticked"), "ran");
  ASSERT_TRUE(host_->storage().Delete("ticked").ok());
  // What failed is due again, and what did not is not.
  EXPECT_EQ(host_->Tick(), absl::AbortedError("not today"));
  EXPECT_EQ(*host_->storage().Get("ticked"), std::nullopt);
}

TEST_P(HooksTest, AnInvalidationNamesTheKey) {
  host_->Invalidate("a/b");
  EXPECT_EQ(*host_->storage().Get("invalidated"), "a/b");
}

int cleanups = 0;

TEST(HooksOnBothHosts, CleanupRunsOnceWhenTheMountGoes) {
  for (const auto new_host : {&testing::NewFakeHost, &testing::NewWireHost}) {
    cleanups = 0;
    new_host(
        [](Engine& engine) {
          engine.OnCleanup([](HookContext&) {
            ++cleanups;
            return absl::OkStatus();
          });
        },
        {});
    EXPECT_EQ(cleanups, 1);
  }
}

TEST(HooksOnFakeHost, WorkInTheBackgroundIsDoneInItsOrderAndWhatFailedAgain) {
  const auto host = testing::NewFakeHost([](Engine& engine) {
    for (const char* key : {"a", "b"}) {
      engine.InBackground([key](HookContext& context) {
        const auto before = *context.storage.Get("log");
        return context.storage.Put("log", before.value_or("") + key);
      });
    }
  });
  EXPECT_EQ(*host->storage().Get("log"), std::nullopt);
  host->storage().FailAfter(3, absl::UnavailableError("gone"));
  EXPECT_EQ(host->RunBackground(), absl::UnavailableError("gone"));
  EXPECT_EQ(host->RunBackground(), absl::OkStatus());
  EXPECT_EQ(host->RunBackground(), absl::OkStatus());
  EXPECT_EQ(*host->storage().Get("log"), "ab");
}

TEST(HooksOnWireHost, AMountDoesItsWorkInTheBackgroundByItself) {
  const auto host = testing::NewWireHost(
      [](Engine& engine) {
        engine.InBackground([](HookContext& context) { return context.storage.Put("a", "done"); });
      },
      {});
  while (!host->storage().Get("a")->has_value()) std::this_thread::yield();
  EXPECT_EQ(**host->storage().Get("a"), "done");
}

// Open where the option says so.
void DefineShop(Engine& engine) {
  const bool open = engine.MountOption("open") == "true";
  engine.BeforeEach([open](Request& request) {
    return open ? absl::OkStatus()
                : absl::UnavailableError("come back later for " + std::string(request.path()));
  });
  Route& route = engine.Path("goods/{name}", "");
  const auto name = route.Param("name");
  route.OnWrite([name](Request& request) -> Result {
    const absl::Status status = request.storage().Put(request.path(), "x");
    if (!status.ok()) return status;
    return Response::Data({{"sold", request[name]}});
  });
}

class ShopTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineShop);
};
BELFRY_RUN_ON_BOTH_HOSTS(ShopTest);

TEST_P(ShopTest, WhatComesBeforeEachHandlerMayAnswerInItsPlace) {
  EXPECT_EQ(host_->Write("goods/a", {}).status(),
            absl::UnavailableError("come back later for goods/a"));
  EXPECT_EQ(*host_->storage().Get("goods/a"), std::nullopt);
  EXPECT_EQ(host_->Write("elsewhere", {}).status(), absl::UnimplementedError("unsupported path"));
}

TEST_P(ShopTest, ARestartBringsOtherOptionsAndTheSameStorage) {
  host_->Restart({{"open", "true"}});
  EXPECT_THAT(host_->Write("goods/a", {}), testing::IsData(R"({"sold":"a"})"));
  host_->Restart({});
  EXPECT_FALSE(host_->Write("goods/a", {}).ok());
  EXPECT_EQ(*host_->storage().Get("goods/a"), "x");
}

// Takes what it is given, and says what of it its field holds.
void DefineBag(Engine& engine) {
  Route& bag = engine.Path("bag", "Takes anything.");
  const auto weights = bag.Field<std::map<std::string, std::string>>("weights", "");
  bag.AcceptAnyField();
  const auto show = [weights](Request& request) -> Result {
    Json::Object kept(request[weights].begin(), request[weights].end());
    return Response::Data({{"weights", std::move(kept)}, {"all", request.data()}});
  };
  bag.OnWrite(show).OnPatch(show);
}

class BagTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineBag);
};
BELFRY_RUN_ON_BOTH_HOSTS(BagTest);

TEST_P(BagTest, WhatIsNotDeclaredComesWithoutAWarning) {
  const Result result = host_->Write("bag", {{"x", 1}});
  EXPECT_THAT(result, testing::IsData(R"({"all":{"x":1},"weights":{}})"));
  EXPECT_THAT(result->warnings(), ElementsAre());
}

TEST_P(BagTest, InAPatchNullIsInTheDataAndNotInTheField) {
  const Json::Object patch = *Json::Parse(R"({"weights":{"a":null,"b":2}})")->if_object();
  EXPECT_THAT(host_->Patch("bag", patch),
              testing::IsData(R"({"all":{"weights":{"a":null,"b":2}},"weights":{"b":"2"}})"));
}

TEST(HooksOnFakeHost, APeriodIsAMinimum) {
  const auto host = testing::NewFakeHost(DefineHooks);
  (void)host->Tick();
  ASSERT_TRUE(host->storage().Delete("ticked").ok());
  host->Advance(absl::Minutes(59));
  EXPECT_EQ(host->Tick(), absl::AbortedError("not today"));
  EXPECT_EQ(*host->storage().Get("ticked"), std::nullopt);
  host->Advance(absl::Minutes(1));
  (void)host->Tick();
  EXPECT_EQ(*host->storage().Get("ticked"), "ran");
}

TEST_P(EngineTest, WithoutSuchHooksATickIsUnsupported) {
  EXPECT_EQ(host_->Tick(), absl::UnimplementedError("unsupported operation"));
}

struct Counter {
  explicit Counter(Engine& engine) {
    engine.Path("count", "").OnRead([this](Request&) -> Result {
      return Response::Data({{"reads", ++reads}});
    });
  }
  int reads = 0;
};

TEST(Engine, WhatIsKeptLivesAsLongAsTheEngine) {
  const auto host = testing::NewFakeHost([](Engine& engine) { engine.Keep<Counter>(); });
  (void)host->Read("count");
  EXPECT_EQ(Json(host->Read("count")->data()).Dump(), R"({"reads":2})");
}

}  // namespace
}  // namespace belfry
