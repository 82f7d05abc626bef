#include "server/sealable_api.h"

#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace belfry {
namespace {

using ::testing::HasSubstr;

// Answers requests when it is told to.
class FakeApi final : public api::Api {
 public:
  void Handle(api::HttpRequest, absl::AnyInvocable<void(api::HttpResponse)> respond) override {
    waiting_.push_back(std::move(respond));
  }
  std::optional<api::HttpResponse> RefuseEarly(const api::HttpRequest&,
                                               std::uint64_t body_bytes) const override {
    if (body_bytes < 100) return std::nullopt;
    return api::HttpResponse{.status = 413};
  }
  bool IsSubscribe(const api::HttpRequest& request) const override {
    return request.path == "/v1/sys/events/subscribe/a";
  }
  void Subscribe(api::HttpRequest, std::shared_ptr<api::Subscriber>,
                 absl::AnyInvocable<void(api::SubscribeResult)> done) override {
    done(api::HttpResponse{.status = 418});
  }

  void AnswerAll() {
    for (auto& respond : std::exchange(waiting_, {})) respond({.status = 200});
  }

 private:
  std::vector<absl::AnyInvocable<void(api::HttpResponse)>> waiting_;
};

class SealableApiTest : public ::testing::Test {
 protected:
  // What comes of a request, perhaps later.
  std::shared_ptr<std::optional<api::HttpResponse>> Ask() {
    auto answer = std::make_shared<std::optional<api::HttpResponse>>();
    sealable_.Handle({.method = "GET", .path = "/v1/secret/a"},
                     [answer](api::HttpResponse response) { *answer = std::move(response); });
    return answer;
  }

  int StatusOfSubscribing() {
    int status = 0;
    sealable_.Subscribe({}, nullptr, [&status](api::SubscribeResult result) {
      status = std::get<api::HttpResponse>(result).status;
    });
    return status;
  }

  FakeApi api_;
  SealableApi sealable_;
};

TEST_F(SealableApiTest, WithoutACoreEverythingIs503InVaultsWords) {
  const api::HttpRequest subscribe{.path = "/v1/sys/events/subscribe/a"};
  for (const bool was_unsealed : {false, true}) {
    if (was_unsealed) {
      sealable_.Unseal(&api_);
      sealable_.Seal();
    }
    const auto answer = Ask();
    ASSERT_TRUE(answer->has_value());
    EXPECT_EQ((*answer)->status, 503);
    EXPECT_THAT((*answer)->body, HasSubstr(R"({"errors":["Vault is sealed"]})"));
    EXPECT_FALSE(sealable_.IsSubscribe(subscribe));
    EXPECT_EQ(StatusOfSubscribing(), 503);
    EXPECT_EQ(sealable_.RefuseEarly({}, 1).value().status, 503);
  }
}

TEST_F(SealableApiTest, WithACoreItsApiAnswers) {
  sealable_.Unseal(&api_);
  const auto answer = Ask();
  EXPECT_FALSE(answer->has_value());
  api_.AnswerAll();
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->status, 200);
  EXPECT_TRUE(sealable_.IsSubscribe({.path = "/v1/sys/events/subscribe/a"}));
  EXPECT_EQ(StatusOfSubscribing(), 418);
  EXPECT_FALSE(sealable_.RefuseEarly({}, 1).has_value());
  EXPECT_EQ(sealable_.RefuseEarly({}, 100).value().status, 413);
}

TEST_F(SealableApiTest, RequestsUnderWayAreAnsweredAndWaitedFor) {
  sealable_.Unseal(&api_);
  const auto answer = Ask();
  sealable_.Seal();
  EXPECT_FALSE(answer->has_value());
  std::future<bool> answered = std::async(std::launch::async, [&] {
    sealable_.AwaitRequests();
    return answer->has_value();
  });
  api_.AnswerAll();
  EXPECT_TRUE(answered.get());
  EXPECT_EQ((*answer)->status, 200);
}

TEST_F(SealableApiTest, ItIsUnsealedAgainWithAnother) {
  sealable_.Unseal(&api_);
  sealable_.Seal();
  sealable_.AwaitRequests();
  FakeApi next;
  sealable_.Unseal(&next);
  const auto answer = Ask();
  next.AnswerAll();
  EXPECT_TRUE(answer->has_value());
}

TEST_F(SealableApiTest, SealingWhatIsSealedWaitsForNobody) {
  sealable_.Seal();
  sealable_.AwaitRequests();
  EXPECT_EQ(Ask()->value().status, 503);
}

}  // namespace
}  // namespace belfry
