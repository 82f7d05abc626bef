#include "belfry/response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/engine.h"
#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"

namespace belfry {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using testing::IsNoContent;
using testing::IsNotFound;
using ::testing::Pair;

const std::string kBytes("\x00\xff|hello|", 9);

// Beyond gRPC's own limit of 4 MiB.
constexpr std::size_t kLarge = 10 * 1024 * 1024;

// Answers a read of each path in a way of its own.
void DefineAnswers(Engine& engine) {
  const auto answer = [&engine](const char* path, Result result) {
    engine.Path(path, "").OnRead([result](Request&) { return result; });
  };
  answer("nothing", Response::NoContent());
  answer("no-such-thing", Response::NotFound());
  answer("raw", Response::Raw(418, "application/octet-stream", kBytes));
  answer("status", Response::WithStatus(404, {{"why", "gone"}}).AddWarning("look elsewhere"));
  answer("headers", Response::Data({}).AddHeader("X-A", "1").AddHeader("X-A", "2"));
  answer("wrapped", Response::Data({{"a", 1}}).WrapFor(absl::Minutes(5)));
  answer("empty-list", Response::List({}));
  answer("exact", Response::Data({{"n", Json::Number{"12345678901234567890.50"}}}));
  for (const absl::StatusCode code :
       {absl::StatusCode::kInvalidArgument, absl::StatusCode::kPermissionDenied,
        absl::StatusCode::kNotFound, absl::StatusCode::kUnimplemented, absl::StatusCode::kAborted,
        absl::StatusCode::kFailedPrecondition, absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded,
        absl::StatusCode::kInternal, absl::StatusCode::kUnknown, absl::StatusCode::kDataLoss}) {
    answer(absl::StatusCodeToString(code).c_str(), absl::Status(code, "so it is"));
  }
  answer("large", Response::Data({{"bytes", std::string(kLarge, 'x')}}));
  Route& count = engine.Path("count", "");
  const auto bytes = count.Field<std::string>("bytes", "");
  count.OnWrite([bytes](Request& request) -> Result {
    return Response::Data({{"count", request[bytes].size()}});
  });
  answer("teapot", HttpError(418, "short and stout"));
}

class ResponseTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineAnswers);
};
BELFRY_RUN_ON_BOTH_HOSTS(ResponseTest);

TEST_P(ResponseTest, NothingToSayAndNoSuchThingAreToldApart) {
  EXPECT_THAT(host_->Read("nothing"), IsNoContent());
  EXPECT_THAT(host_->Read("no-such-thing"), IsNotFound());
}

TEST_P(ResponseTest, ARawAnswerHasAnyStatusTypeAndBytes) {
  EXPECT_EQ(*host_->Read("raw"), Response::Raw(418, "application/octet-stream", kBytes));
}

TEST_P(ResponseTest, AStatusOfItsOwnKeepsDataAndWarnings) {
  EXPECT_EQ(*host_->Read("status"),
            Response::WithStatus(404, {{"why", "gone"}}).AddWarning("look elsewhere"));
}

TEST_P(ResponseTest, HeadersKeepAllTheirValues) {
  EXPECT_THAT(host_->Read("headers")->headers(), ElementsAre(Pair("X-A", ElementsAre("1", "2"))));
}

TEST_P(ResponseTest, AnAnswerCanAskToBeWrapped) {
  EXPECT_EQ(*host_->Read("wrapped"), Response::Data({{"a", 1}}).WrapFor(absl::Minutes(5)));
}

TEST_P(ResponseTest, NumbersKeepTheirText) {
  EXPECT_THAT(host_->Read("exact"), testing::IsData(R"({"n":12345678901234567890.50})"));
}

TEST_P(ResponseTest, AnAnswerMayHaveAnySize) {
  const Result result = host_->Read("large");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->data().at("bytes").if_string()->size(), kLarge);
}

TEST_P(ResponseTest, ARequestMayHaveAnySize) {
  EXPECT_THAT(host_->Write("count", {{"bytes", std::string(kLarge, 'x')}}),
              testing::IsData(R"({"count":10485760})"));
}

TEST_P(ResponseTest, ACodeArrivesAsItself) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kInvalidArgument, absl::StatusCode::kPermissionDenied,
        absl::StatusCode::kNotFound, absl::StatusCode::kUnimplemented, absl::StatusCode::kAborted,
        absl::StatusCode::kFailedPrecondition, absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded,
        absl::StatusCode::kInternal, absl::StatusCode::kUnknown, absl::StatusCode::kDataLoss}) {
    EXPECT_THAT(host_->Read(absl::StatusCodeToString(code)), FailsWith(code, "so it is"));
  }
}

TEST_P(ResponseTest, AnHttpErrorArrivesWithItsStatus) {
  EXPECT_EQ(HttpStatusOf(host_->Read("teapot").status()), 418);
  EXPECT_THAT(host_->Read("teapot"),
              FailsWith(absl::StatusCode::kFailedPrecondition, "short and stout"));
}

}  // namespace
}  // namespace belfry
