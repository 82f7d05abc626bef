#include "server/subscriptions/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/testing.h"
#include "server/access/testing.h"
#include "server/access/token.h"
#include "server/journal/testing.h"
#include "server/subscriptions/testing.h"

namespace belfry::subscriptions {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A client with a token of its own, on real policies, tokens, a journal and its followers.
class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() {
    EXPECT_EQ(memory_.opened(), absl::OkStatus());
    memory_.journal().OnMore([this] { followers_.OnMore(); });
    Write(R"(path "sys/events/subscribe/*" { capabilities = ["read"] }
             path "secret/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] })");
    auto planned =
        access::PlanToken(tokens_.root->entry, access::CreatorRights::kSudo, {.policies = {"app"}});
    EXPECT_TRUE(planned.ok() && tokens_.store->Create(&*planned).ok());
    id_ = planned->entry.id;
    identity_ = *authorizer_->Authenticate(planned->secret);
  }

  void Write(std::string_view policy) {
    EXPECT_EQ(policies_.store->Put("app", policy), absl::OkStatus());
  }
  void Publish(const std::string& path) {
    logical::EventReceived event;
    event.mutable_event()->set_id(path);
    ASSERT_EQ(memory_.Commit({.accepted = clock_.Now(),
                              .bytes = event.SerializeAsString(),
                              .type = "kv",
                              .path = path}),
              absl::OkStatus());
  }

  void Ask(const std::string& after, std::size_t most = 100,
           absl::Duration wait = absl::ZeroDuration()) {
    AskIn(environment_, &clock_, after, most, wait);
  }
  void AskIn(const Environment& environment, const Clock* clock, const std::string& after,
             std::size_t most, absl::Duration wait) {
    pages_.clear();
    ReadHistory(environment, clock, &scheduler_, &executor_,
                {.request = {.identity = identity_,
                             .path = "sys/events/subscribe/kv",
                             .type_pattern = "kv",
                             .query = {{"json", "true"}, {"after", after}}},
                 .most = most,
                 .wait = wait},
                [this](absl::StatusOr<HistoryPage> page) { pages_.push_back(std::move(page)); });
    executor_.Work();
  }
  // The ids of the one page that there is.
  std::vector<std::string> Ids() {
    EXPECT_THAT(pages_, SizeIs(1));
    std::vector<std::string> ids;
    if (pages_.empty() || !pages_[0].ok()) return ids;
    for (const std::string& frame : pages_[0]->frames) {
      const boost::json::value json = boost::json::parse(frame);
      const bool is_event = json.at("type") == "*";
      ids.emplace_back(is_event ? json.at("data").at("event").at("id").as_string()
                                : json.at("type").as_string());
    }
    return ids;
  }
  std::string Cursor() { return pages_.at(0).value().cursor; }

  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeScheduler scheduler_{&clock_};
  SteppedExecutor executor_;
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  access::MemoryPolicies policies_;
  access::MemoryTokens tokens_{&clock_};
  const std::unique_ptr<access::Authorizer> authorizer_ =
      access::NewAuthorizer(policies_.store.get(), tokens_.store.get(), &clock_);
  FakeBus bus_;
  journal::MemoryJournal memory_{metrics_.get(), {}};
  Followers followers_{&memory_.journal(), &clock_,         &scheduler_,
                       metrics_.get(),     executor_.New(), Logger()};
  Subscribers subscribers_;
  const Environment environment_{.authorizer = authorizer_.get(),
                                 .bus = &bus_,
                                 .followers = &followers_,
                                 .subscribers = &subscribers_};
  std::string id_;  // Of the token.
  access::Identity identity_;
  std::vector<absl::StatusOr<HistoryPage>> pages_;
};

TEST_F(HistoryTest, PagesFollowEachOtherByTheirCursors) {
  for (const char* const path : {"secret/a", "secret/b", "secret/c"}) Publish(path);
  Ask("earliest", 2);
  EXPECT_THAT(Ids(), ElementsAre("secret/a", "secret/b"));
  Ask(Cursor(), 2);
  EXPECT_THAT(Ids(), ElementsAre("secret/c"));
  const std::string end = Cursor();
  Ask(end);
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_EQ(Cursor(), end);
  Publish("secret/d");
  Ask(end);
  EXPECT_THAT(Ids(), ElementsAre("secret/d"));
}

TEST_F(HistoryTest, WhatMayNotBeSeenMovesTheCursorOnly) {
  Publish("hidden/a");
  Ask("earliest");
  EXPECT_THAT(Ids(), IsEmpty());
  const std::string end = Cursor();
  Ask("latest");
  EXPECT_EQ(Cursor(), end);
}

TEST_F(HistoryTest, WithAWaitTheFirstEventIsTheAnswer) {
  Ask("latest", 100, absl::Seconds(30));
  EXPECT_THAT(pages_, IsEmpty());
  Publish("hidden/a");
  executor_.Work();
  EXPECT_THAT(pages_, IsEmpty());
  Publish("secret/a");
  executor_.Work();
  EXPECT_THAT(Ids(), ElementsAre("secret/a"));
}

TEST_F(HistoryTest, WhenNothingHasComeTheAnswerSaysHowFarItHasLooked) {
  Ask("latest", 100, absl::Seconds(30));
  Publish("hidden/a");
  executor_.Work();
  scheduler_.Advance(absl::Seconds(29));
  EXPECT_THAT(pages_, IsEmpty());
  scheduler_.Advance(absl::Seconds(1));
  executor_.Work();
  EXPECT_THAT(Ids(), IsEmpty());
  Publish("secret/a");
  Ask(Cursor());
  EXPECT_THAT(Ids(), ElementsAre("secret/a"));
}

// Each look at this clock takes longer than a page may.
class SlowClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch(); }
  SteadyTime Steady() const override { return now_ = now_ + absl::Seconds(20); }

 private:
  mutable SteadyTime now_ = SteadyTime::Now();
};

TEST_F(HistoryTest, APageThatTakesTooLongToReadIsWhatHasBeenFound) {
  const SlowClock slow;
  Followers followers(&memory_.journal(), &slow, &scheduler_, metrics_.get(), executor_.New(),
                      Logger());
  for (const char* const path : {"hidden/a", "hidden/b", "secret/c"}) Publish(path);
  Environment environment = environment_;
  environment.followers = &followers;
  AskIn(environment, &slow, "earliest", 100, absl::Seconds(30));
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_THAT(Cursor(), ::testing::EndsWith("-1"));
  Ask(Cursor());
  EXPECT_THAT(Ids(), ElementsAre("secret/c"));
}

TEST_F(HistoryTest, AGapIsAPartOfThePage) {
  Publish("secret/a");
  Ask("0123456789abcdef-7");
  EXPECT_THAT(Ids(), ElementsAre("belfry.gap"));
}

TEST_F(HistoryTest, ATokenThatMayNotSubscribeIsRefused) {
  Write("path \"secret/*\" { capabilities = [\"subscribe\"] subscribe_event_types = [\"*\"] }");
  Ask("earliest");
  ASSERT_THAT(pages_, SizeIs(1));
  EXPECT_EQ(pages_[0].status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(HistoryTest, ATokenThatIsRevokedWaitsForNothingMore) {
  Ask("latest", 100, absl::Seconds(30));
  ASSERT_EQ(tokens_.store->Revoke(id_), absl::OkStatus());
  Publish("secret/a");
  executor_.Work();
  ASSERT_THAT(pages_, SizeIs(1));
  EXPECT_EQ(pages_[0].status(), absl::AbortedError("token revoked"));
  scheduler_.Advance(absl::Minutes(1));
  EXPECT_THAT(pages_, SizeIs(1));
}

TEST_F(HistoryTest, ARightThatGoesBeforeTheEventIsReadKeepsItOut) {
  Ask("latest", 100, absl::Seconds(30));
  Publish("secret/a");
  Write(R"(path "sys/events/subscribe/*" { capabilities = ["read"] })");
  executor_.Work();
  EXPECT_THAT(pages_, IsEmpty());
  scheduler_.Advance(absl::Seconds(30));
  executor_.Work();
  EXPECT_THAT(Ids(), IsEmpty());
}

}  // namespace
}  // namespace belfry::subscriptions
