#include "server/process/sealable_api.h"

#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace belfry::process {
namespace {

using ::testing::HasSubstr;

// Answers requests when it is told to.
class FakeApi final : public api::Api {
 public:
  void Handle(api::HttpRequest, api::Respond respond) override {
    waiting_.push_back(std::move(respond));
  }
  std::optional<api::HttpResponse> RefuseEarly(const api::HttpRequest&,
                                               std::uint64_t body_bytes) const override {
    if (body_bytes < 100) return std::nullopt;
    return api::HttpResponse{.status = 413};
  }
  void AnswerAll() {
    for (auto& respond : std::exchange(waiting_, {})) respond(api::HttpResponse{.status = 200});
  }
  // Opens a subscription for each.
  void SubscribeAll() {
    for (auto& respond : std::exchange(waiting_, {})) respond(subscriptions::OpenedSubscription());
  }

 private:
  std::vector<api::Respond> waiting_;
};

class SealableApiTest : public ::testing::Test {
 protected:
  // What comes of a request, perhaps later.
  std::shared_ptr<std::optional<api::Outcome>> Ask() {
    auto answer = std::make_shared<std::optional<api::Outcome>>();
    sealable_.Handle({.method = "GET", .path = "/v1/secret/a"},
                     [answer](api::Outcome outcome) { *answer = std::move(outcome); });
    return answer;
  }

  static const api::HttpResponse& ResponseIn(const std::optional<api::Outcome>& outcome) {
    return std::get<api::HttpResponse>(outcome.value());
  }

  FakeApi api_;
  SealableApi sealable_;
};

TEST_F(SealableApiTest, WithoutACoreEverythingIs503InVaultsWords) {
  for (const bool was_unsealed : {false, true}) {
    if (was_unsealed) {
      sealable_.Unseal(&api_);
      sealable_.Seal();
    }
    const auto answer = Ask();
    ASSERT_TRUE(answer->has_value());
    EXPECT_EQ(ResponseIn(*answer).status, 503);
    EXPECT_THAT(ResponseIn(*answer).body, HasSubstr(R"({"errors":["Vault is sealed"]})"));
    EXPECT_EQ(sealable_.RefuseEarly({}, 1).value().status, 503);
  }
}

TEST_F(SealableApiTest, WithACoreItsApiAnswers) {
  sealable_.Unseal(&api_);
  const auto answer = Ask();
  EXPECT_FALSE(answer->has_value());
  api_.AnswerAll();
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(ResponseIn(*answer).status, 200);
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
  EXPECT_EQ(ResponseIn(*answer).status, 200);
}

TEST_F(SealableApiTest, ASubscriptionIsUnderWayUntilItHasEnded) {
  sealable_.Unseal(&api_);
  const auto outcome = Ask();
  sealable_.Seal();
  std::atomic<bool> has_ended = false;
  std::future<bool> waited = std::async(std::launch::async, [&] {
    sealable_.AwaitRequests();
    return has_ended.load();
  });
  api_.SubscribeAll();
  EXPECT_TRUE(std::holds_alternative<subscriptions::OpenedSubscription>(outcome->value()));
  has_ended = true;
  outcome->reset();
  EXPECT_TRUE(waited.get());
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
  EXPECT_EQ(ResponseIn(*Ask()).status, 503);
}

}  // namespace
}  // namespace belfry::process
