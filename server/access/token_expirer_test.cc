#include "server/access/token_expirer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "base/testing.h"
#include "server/storage/testing.h"

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Runs work at once, or leaves it to whoever asks.
class FakeExecutor final : public Executor {
 public:
  bool full = false;
  int posted = 0;
  bool Post(absl::AnyInvocable<void()>&& work) override {
    if (full) return false;
    PostAlways(std::move(work));
    return true;
  }
  void PostAlways(absl::AnyInvocable<void()> work) override {
    ++posted;
    work();
  }
};

class TokenExpirerTest : public ::testing::Test {
 protected:
  TokenExpirerTest() {
    root_ = (*tokens_->CreateRoot("root"))->entry;
    Restart();
  }
  void Restart() {
    expirer_.reset();
    expirer_ = std::make_unique<TokenExpirer>(tokens_.get(), &clock_, &scheduler_, &executor_);
  }
  // Its id.
  std::string Create(std::string name, absl::Duration ttl) {
    auto planned = PlanToken(root_, CreatorRights::kSudo,
                             {.policies = {"a"}, .display_name = std::move(name), .ttl = ttl});
    EXPECT_TRUE(planned.ok() && tokens_->Create(&*planned).ok());
    return planned->entry.id;
  }

  FakeClock clock_{absl::FromUnixSeconds(1'795'413'461)};
  FakeScheduler scheduler_{&clock_};
  FakeExecutor executor_;
  storage::FaultyStorage storage_;
  std::vector<std::string> ended_;
  const std::unique_ptr<TokenStore> tokens_ =
      *TokenStore::Open(&storage_, &clock_,
                        [this](const TokenEntry& token) { ended_.push_back(token.display_name); });
  TokenEntry root_;
  std::unique_ptr<TokenExpirer> expirer_;
};

TEST_F(TokenExpirerTest, EachTokenEndsAtItsTime) {
  Create("late", absl::Hours(2));
  Create("early", absl::Hours(1));
  scheduler_.Advance(absl::Hours(1) - absl::Nanoseconds(1));
  EXPECT_THAT(ended_, IsEmpty());
  scheduler_.Advance(absl::Nanoseconds(1));
  EXPECT_THAT(ended_, ElementsAre("token-early"));
  scheduler_.Advance(absl::Hours(1));
  EXPECT_THAT(ended_, ElementsAre("token-early", "token-late"));
  EXPECT_EQ(scheduler_.Next(), absl::InfiniteFuture());
}

TEST_F(TokenExpirerTest, ARenewalPutsTheEndOffOrBringsItNearer) {
  const std::string longer = Create("longer", absl::Hours(1));
  const std::string shorter = Create("shorter", absl::Hours(3));
  ASSERT_TRUE(tokens_->Renew(longer, absl::Hours(4)).ok());
  ASSERT_TRUE(tokens_->Renew(shorter, absl::Minutes(1)).ok());
  scheduler_.Advance(absl::Minutes(1));
  EXPECT_THAT(ended_, ElementsAre("token-shorter"));
  scheduler_.Advance(absl::Hours(3));
  EXPECT_THAT(ended_, ElementsAre("token-shorter"));
  scheduler_.Advance(absl::Hours(1));
  EXPECT_THAT(ended_, ElementsAre("token-shorter", "token-longer"));
}

TEST_F(TokenExpirerTest, WhatStorageDoesNotLetGoOfIsTriedAgain) {
  Create("a", absl::Hours(1));
  storage_.refuse_deletes = true;
  scheduler_.Advance(absl::Hours(1));
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(executor_.posted, 1);
  storage_.refuse_deletes = false;
  scheduler_.Advance(absl::Seconds(1));
  EXPECT_THAT(ended_, ElementsAre("token-a"));
}

TEST_F(TokenExpirerTest, AFullExecutorHoldsNothingUp) {
  Create("a", absl::Hours(1));
  executor_.full = true;
  scheduler_.Advance(absl::Hours(1));
  EXPECT_THAT(ended_, ElementsAre("token-a"));
}

TEST_F(TokenExpirerTest, TakesOverWhatItFinds) {
  expirer_.reset();
  EXPECT_EQ(scheduler_.Next(), absl::InfiniteFuture());
  Create("a", absl::Hours(1));
  Create("b", absl::Hours(2));
  clock_.Advance(absl::Hours(1));
  Restart();
  EXPECT_THAT(ended_, ElementsAre("token-a"));
  scheduler_.Advance(absl::Hours(1));
  EXPECT_THAT(ended_, ElementsAre("token-a", "token-b"));
}

TEST(TokenExpirer, NobodyNeedsToAskForATokenToEnd) {
  const SystemClock clock;
  const std::unique_ptr<Scheduler> scheduler = NewScheduler(&clock);
  const std::unique_ptr<Executor> executor = NewThreadPool(2);
  const std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage();
  std::atomic<int> left = 20;
  std::promise<void> ended;
  const std::unique_ptr<TokenStore> tokens =
      *TokenStore::Open(storage.get(), &clock, [&](const TokenEntry&) {
        if (--left == 0) ended.set_value();
      });
  const TokenExpirer expirer(tokens.get(), &clock, scheduler.get(), executor.get());
  const TokenEntry root = (*tokens->CreateRoot("root"))->entry;
  for (int i = 20; i > 0; --i) {
    auto planned =
        PlanToken(root, CreatorRights::kSudo, {.policies = {"a"}, .ttl = absl::Milliseconds(i)});
    ASSERT_TRUE(planned.ok() && tokens->Create(&*planned).ok());
  }
  ended.get_future().wait();
  EXPECT_THAT(tokens->Accessors(), ElementsAre(root.accessor));
}

}  // namespace
}  // namespace belfry::access
