#include "server/plugin_host/request_turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::size_t kLarge = 1000;

Limits SmallLimits() {
  Limits limits;
  limits.large_plugin_request_bytes = kLarge;
  limits.max_large_bytes_under_way_per_mount = 4 * kLarge;
  limits.max_requests_queued_per_plugin = 8;
  return limits;
}

class RequestTurnsTest : public ::testing::Test {
 protected:
  void TearDown() override {
    while (!under_way_.empty()) EndOne();
  }

  // A request by that name, which is with the plugin until it is ended.
  void Enter(const std::string& name, const std::string& owner, std::size_t bytes,
             SteadyTime deadline = SteadyTime::InfiniteFuture()) {
    EnterAt(name, owner, name, bytes, deadline);
  }
  void EnterAt(const std::string& name, const std::string& owner, const std::string& path,
               std::size_t bytes, SteadyTime deadline = SteadyTime::InfiniteFuture()) {
    turns_.Enter({.owner = owner, .path = path, .bytes_sent = bytes, .deadline = deadline},
                 [this, name](absl::StatusOr<RequestTurns::Turn> turn) {
                   if (!turn.ok()) return refused_.push_back(turn.status());
                   started_.push_back(name);
                   under_way_.push_back(*std::move(turn));
                 });
  }
  // Ends the request that has been with the plugin for longest.
  void EndOne(std::size_t answer = 0, bool accepted = true) {
    const RequestTurns::Turn turn = std::move(under_way_.front());
    under_way_.pop_front();
    turn.NoteAnswer(answer, accepted);
  }
  std::vector<std::string> Started() { return std::exchange(started_, {}); }

  std::shared_ptr<LargePaths> paths_ = std::make_shared<LargePaths>(SmallLimits());
  RequestTurns turns_{"kv/", paths_, SmallLimits()};
  std::vector<std::string> started_;
  std::vector<absl::Status> refused_;
  std::deque<RequestTurns::Turn> under_way_;
};

TEST_F(RequestTurnsTest, LargeRequestsGoUpToTheBoundAndTheRestWhenOthersHaveEnded) {
  for (const char* name : {"1", "2", "3", "4", "5", "6"}) Enter(name, "a", kLarge);
  EXPECT_THAT(Started(), ElementsAre("1", "2", "3", "4"));
  EndOne();
  EXPECT_THAT(Started(), ElementsAre("5"));
  EndOne();
  EXPECT_THAT(Started(), ElementsAre("6"));
  EXPECT_THAT(refused_, IsEmpty());
}

TEST_F(RequestTurnsTest, SmallRequestsNeverWait) {
  for (int i = 0; i < 6; ++i) Enter("large", "a", kLarge);
  Started();
  for (int i = 0; i < 100; ++i) Enter("small", "a", kLarge - 1);
  EXPECT_EQ(Started().size(), 100);
}

TEST_F(RequestTurnsTest, OneThatIsLargerThanTheBoundGoesAlone) {
  Enter("1", "a", kLarge);
  Enter("huge", "a", 100 * kLarge);
  Enter("2", "a", kLarge);
  EXPECT_THAT(Started(), ElementsAre("1"));
  EndOne();
  EXPECT_THAT(Started(), ElementsAre("huge"));
  EndOne();
  EXPECT_THAT(Started(), ElementsAre("2"));
}

TEST_F(RequestTurnsTest, TokensTakeTurnsHoweverManyRequestsOneHas) {
  Enter("a0", "a", 4 * kLarge);
  for (const char* name : {"a1", "a2", "a3"}) Enter(name, "a", 4 * kLarge);
  Enter("b1", "b", 4 * kLarge);
  EXPECT_THAT(Started(), ElementsAre("a0"));
  while (!under_way_.empty()) EndOne();
  EXPECT_THAT(Started(), ElementsAre("a1", "b1", "a2", "a3"));
}

TEST_F(RequestTurnsTest, APathCountsAsTheLargestThatCameFromIt) {
  EnterAt("first", "a", "data/x", 0);
  EndOne(4 * kLarge);
  EnterAt("second", "a", "data/x", 0);
  EndOne(kLarge);
  Started();
  for (const char* name : {"1", "2"}) EnterAt(name, "a", "data/x", 0);
  EXPECT_THAT(Started(), ElementsAre("1"));
  // Another path is not affected.
  EnterAt("other", "a", "data/y", 0);
  EXPECT_THAT(Started(), ElementsAre("other"));
}

TEST_F(RequestTurnsTest, APathCountsAsTheLargestThatWasSentToIt) {
  EnterAt("write", "a", "data/x", 4 * kLarge);
  EndOne();
  Started();
  for (const char* name : {"1", "2"}) EnterAt(name, "b", "data/x", 0);
  EXPECT_THAT(Started(), ElementsAre("1"));
}

TEST_F(RequestTurnsTest, APathCountsAsTheMostThatWasReadForIt) {
  paths_->Note("subkeys/x", 4 * kLarge);
  for (const char* name : {"1", "2"}) EnterAt(name, "a", "subkeys/x", 0);
  EXPECT_THAT(Started(), ElementsAre("1"));
}

TEST_F(RequestTurnsTest, WhatIsRefusedMakesNoPathALargeOne) {
  EnterAt("refused", "a", "data/x", 4 * kLarge);
  EndOne(0, false);
  Started();
  for (const char* name : {"1", "2"}) EnterAt(name, "a", "data/x", 0);
  EXPECT_THAT(Started(), ElementsAre("1", "2"));
}

TEST_F(RequestTurnsTest, LongPathsPushOutNoMoreThanShortOnes) {
  EnterAt("write", "a", "data/x", 4 * kLarge);
  EndOne();
  for (int i = 0; i < 1000; ++i) {
    EnterAt("other", "a", absl::StrCat(i, std::string(8000, 'x')), kLarge);
    EndOne();
  }
  Started();
  for (const char* name : {"1", "2"}) EnterAt(name, "a", "data/x", 0);
  EXPECT_THAT(Started(), ElementsAre("1"));
}

TEST_F(RequestTurnsTest, WhoHasMostThatWaitGivesWayWhenTooManyDo) {
  for (int i = 0; i < 4 + 8; ++i) Enter(absl::StrCat("a", i), "a", kLarge);
  Enter("b", "b", kLarge);
  ASSERT_EQ(refused_.size(), 1);
  EXPECT_TRUE(absl::IsResourceExhausted(refused_[0])) << refused_[0];
  Started();
  EndOne();
  EndOne();
  EXPECT_THAT(Started(), ElementsAre("a4", "b"));
  while (!under_way_.empty()) EndOne();
  EXPECT_THAT(Started(), ElementsAre("a5", "a6", "a7", "a8", "a9", "a10"));
}

TEST_F(RequestTurnsTest, TooManyThatWaitAreRefused) {
  for (int i = 0; i < 4 + 8; ++i) Enter("large", "a", kLarge);
  EXPECT_THAT(refused_, IsEmpty());
  Enter("large", "a", kLarge);
  ASSERT_EQ(refused_.size(), 1);
  EXPECT_TRUE(absl::IsResourceExhausted(refused_[0])) << refused_[0];
  EXPECT_THAT(std::string(refused_[0].message()), HasSubstr("kv/"));
}

TEST_F(RequestTurnsTest, WhatHasWaitedBeyondItsDeadlineIsNotSent) {
  Enter("1", "a", 4 * kLarge);
  Enter("late", "b", kLarge, SteadyTime::InfinitePast());
  Enter("2", "a", kLarge);
  EndOne();
  EXPECT_THAT(Started(), ElementsAre("1", "2"));
  ASSERT_EQ(refused_.size(), 1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(refused_[0])) << refused_[0];
}

TEST_F(RequestTurnsTest, WhatWaitsForAMountThatIsDisabledIsAborted) {
  Enter("1", "a", 4 * kLarge);
  Enter("2", "a", kLarge);
  turns_.Disable(true);
  Enter("3", "a", kLarge);
  ASSERT_EQ(refused_.size(), 2);
  EXPECT_TRUE(absl::IsAborted(refused_[0])) << refused_[0];
  EXPECT_TRUE(absl::IsAborted(refused_[1])) << refused_[1];
  turns_.Disable(false);
  EndOne();
  Enter("4", "a", kLarge);
  EXPECT_THAT(Started(), ElementsAre("1", "4"));
}

// Each ends within the start of the next: none of them on the stack of another.
TEST(RequestTurnsDepthTest, ManyThatEndAtOnceTakeUpNoStack) {
  constexpr int kMany = 10'000;
  Limits limits = SmallLimits();
  limits.max_requests_queued_per_plugin = kMany;
  RequestTurns turns("kv/", std::make_shared<LargePaths>(limits), limits);
  std::optional<RequestTurns::Turn> first;
  const RequestTurns::Claim claim{.owner = "a", .path = "x", .bytes_sent = 4 * kLarge};
  turns.Enter(claim,
              [&](absl::StatusOr<RequestTurns::Turn> turn) { first.emplace(*std::move(turn)); });
  int ended = 0;
  for (int i = 0; i < kMany; ++i) {
    turns.Enter(claim, [&](const absl::StatusOr<RequestTurns::Turn>& turn) { ended += turn.ok(); });
  }
  EXPECT_EQ(ended, 0);
  first.reset();
  EXPECT_EQ(ended, kMany);
}

TEST(RequestTurnsThreadsTest, EveryRequestEndsOnceWhateverTheThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  Limits limits = SmallLimits();
  limits.max_requests_queued_per_plugin = kThreads * kEach;
  RequestTurns turns("kv/", std::make_shared<LargePaths>(limits), limits);
  std::atomic<int> ended = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, owner = std::to_string(t)] {
      for (int i = 0; i < kEach; ++i) {
        turns.Enter({.owner = owner, .path = std::to_string(i % 8), .bytes_sent = 2 * kLarge},
                    [&](const absl::StatusOr<RequestTurns::Turn>& turn) { ended += turn.ok(); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ended, kThreads * kEach);
}

}  // namespace
}  // namespace belfry::plugin_host
