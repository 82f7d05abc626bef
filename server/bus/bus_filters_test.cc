// Filters of subscribers, which the bus asks apart from who publishes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/bus/bus_fixture.h"

namespace belfry::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(BusTest, OnlyWhatAFilterMatchesIsOffered) {
  const auto sink = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Filtered(sink, "event_type != `kv-v1/write`"));
  Publish({MakeEvent("1"), MakeEvent("2", "kv-v1/write"), MakeEvent("3")});
  EXPECT_THAT(sink->ids(), ElementsAre("1", "3"));
  EXPECT_EQ(Count("belfry_events_filtered_total"), 1u);
  EXPECT_EQ(Count("belfry_events_published_total"), 3u);
}

TEST_F(BusTest, SubscribersWithDifferentFiltersGetDifferentEvents) {
  const auto reads = std::make_shared<RecordingSink>();
  const auto writes = std::make_shared<RecordingSink>();
  const auto all = std::make_shared<RecordingSink>();
  const auto a = bus_->Subscribe(Filtered(reads, "event_type == read"));
  const auto b = bus_->Subscribe(Filtered(writes, "event_type == write"));
  const auto c = bus_->Subscribe(Options(all));
  Publish({MakeEvent("1", "read"), MakeEvent("2", "write")});
  EXPECT_THAT(reads->ids(), ElementsAre("1"));
  EXPECT_THAT(writes->ids(), ElementsAre("2"));
  EXPECT_THAT(all->ids(), ElementsAre("1", "2"));
}

TEST_F(BusTest, FiltersOfOneTextAreAskedOnceForAll) {
  int asked = 0;
  std::weak_ptr<const Filter> second_life;
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (int i = 0; i < 3; ++i) {
    SubscribeOptions options = Options(std::make_shared<RecordingSink>());
    options.filter = std::make_shared<CountingFilter>("same", &asked);
    second_life = options.filter;
    subscriptions.push_back(bus_->Subscribe(std::move(options)));
  }
  EXPECT_TRUE(second_life.expired());
  Publish({MakeEvent("1"), MakeEvent("2")});
  EXPECT_EQ(asked, 2);
  subscriptions.erase(subscriptions.begin());
  Publish({MakeEvent("3")});
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(Count("belfry_events_delivered_total"), 8u);
}

TEST_F(BusTest, AFilterIsNotAskedAboutWhatItsTypeRulesOut) {
  int asked = 0;
  SubscribeOptions options = Options(std::make_shared<RecordingSink>(), "other/*");
  options.filter = std::make_shared<CountingFilter>("x", &asked);
  const auto subscription = bus_->Subscribe(std::move(options));
  Publish({MakeEvent("1")});
  EXPECT_EQ(asked, 0);
}

// Nobody may see anything.
class DenyingAuthorizer final : public EventAuthorizer {
 public:
  std::uint64_t Refresh() override { return 1; }
  bool Allows(std::string_view, std::string_view) override { return false; }
};

TEST_F(BusTest, RightsAreAskedBeforeFilters) {
  int asked = 0;
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (int i = 0; i < 80; ++i) {
    SubscribeOptions options = Options(std::make_shared<RecordingSink>());
    options.filter = std::make_shared<CountingFilter>(std::to_string(i), &asked);
    options.event_authorizer = std::make_unique<DenyingAuthorizer>();
    subscriptions.push_back(bus_->Subscribe(std::move(options)));
  }
  for (int i = 0; i < 10; ++i) Publish({EventOn("a", "1")});
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(Count("belfry_events_denied_total"), 800u);
  ExpectThatCountsAddUp();
}

TEST_F(BusTest, APublisherAsksNoFilter) {
  executor_->at_once = false;
  int asked = 0;
  const auto filtered = std::make_shared<RecordingSink>();
  const auto plain = std::make_shared<RecordingSink>();
  SubscribeOptions options = Options(filtered);
  options.filter = std::make_shared<CountingFilter>("x", &asked);
  const auto a = bus_->Subscribe(std::move(options));
  const auto b = bus_->Subscribe(Options(plain));
  Publish({MakeEvent("1")});
  Publish({MakeEvent("2"), MakeEvent("3")});
  EXPECT_EQ(asked, 0);
  EXPECT_THAT(filtered->ids(), IsEmpty());
  EXPECT_THAT(plain->ids(), ElementsAre("1", "2", "3"));
  executor_->RunAll();
  EXPECT_EQ(asked, 3);
  EXPECT_THAT(filtered->ids(), ElementsAre("1", "2", "3"));
  ExpectThatCountsAddUp();
}

// Publishes while it is asked.
class PublishingFilter final : public Filter {
 public:
  explicit PublishingFilter(std::function<void()> publish) : publish_(std::move(publish)) {}
  const std::string& text() const override { return text_; }
  bool Matches(const EventFields&) const override {
    publish_();
    return true;
  }

 private:
  const std::string text_ = "publishes";
  const std::function<void()> publish_;
};

TEST_F(BusTest, WhileAFilterIsAskedOthersPublish) {
  const auto plain = std::make_shared<RecordingSink>();
  const auto filtered = std::make_shared<RecordingSink>();
  executor_->at_once = false;
  int rounds = 0;
  SubscribeOptions options = Options(filtered);
  // On another thread: a lock that this one held would let it wait for ever.
  options.filter = std::make_shared<PublishingFilter>([&] {
    if (++rounds == 1) std::thread([&] { Publish({MakeEvent("2")}); }).join();
  });
  const auto a = bus_->Subscribe(std::move(options));
  const auto b = bus_->Subscribe(Options(plain));
  Publish({MakeEvent("1")});
  executor_->RunAll();
  EXPECT_THAT(plain->ids(), ElementsAre("1", "2"));
  EXPECT_THAT(filtered->ids(), ElementsAre("1", "2"));
}

TEST_F(BusTest, AFilterThatIsTooSlowEndsItsSubscribersAndNobodyElse) {
  executor_->at_once = false;
  int asked = 0;
  std::vector<std::shared_ptr<RecordingSink>> slow;
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(std::make_shared<RecordingSink>());
    SubscribeOptions options = Options(slow.back());
    options.filter = std::make_shared<CountingFilter>("slow", &asked);
    subscriptions.push_back(bus_->Subscribe(std::move(options)));
  }
  const auto plain = std::make_shared<RecordingSink>();
  subscriptions.push_back(bus_->Subscribe(Options(plain)));
  for (int i = 0; i < 3; ++i) Publish({MakeEvent("x")});
  // Two more than fit, of which the last is not even appended.
  Publish({EventOn("forbidden", "4"), MakeEvent("5"), MakeEvent("6"), MakeEvent("7")});
  Publish({MakeEvent("8")});
  EXPECT_TRUE(slow[0]->overflowed);
  EXPECT_TRUE(slow[1]->overflowed);
  EXPECT_EQ(metrics_->GetGauge("belfry_events_subscriptions", "").Value(), 1);
  executor_->RunAll();
  EXPECT_EQ(asked, 0);
  EXPECT_THAT(slow[0]->ids(), IsEmpty());
  EXPECT_EQ(plain->ids().size(), 7u);
  EXPECT_FALSE(plain->overflowed);
  EXPECT_EQ(Count("belfry_events_missed_total"), 12u);
  EXPECT_EQ(Count("belfry_events_denied_total"), 3u);
  ExpectThatCountsAddUp();
}

TEST_F(BusTest, ALaneIsBoundedInBytesToo) {
  executor_->at_once = false;
  const auto sink = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Filtered(sink, "event_type != x"));
  const std::string path(Limits().max_queued_bytes / 3, 'p');
  for (int i = 0; i < 2; ++i) Publish({EventOn(path, "1")});
  EXPECT_FALSE(sink->overflowed);
  Publish({EventOn(path, "1")});
  EXPECT_TRUE(sink->overflowed);
  ExpectThatCountsAddUp();
}

TEST_F(BusTest, WhatWaitsForAFilterGoesWithTheSubscription) {
  executor_->at_once = false;
  int asked = 0;
  auto sink = std::make_shared<RecordingSink>();
  const std::weak_ptr<Sink> life = sink;
  SubscribeOptions options = Options(std::move(sink));
  options.filter = std::make_shared<CountingFilter>("x", &asked);
  auto subscription = bus_->Subscribe(std::move(options));
  Publish({MakeEvent("1"), MakeEvent("2")});
  subscription.reset();
  EXPECT_TRUE(life.expired());
  EXPECT_EQ(Count("belfry_events_abandoned_total"), 2u);
  executor_->RunAll();
  EXPECT_EQ(asked, 0);
  ExpectThatCountsAddUp();
}

TEST_F(BusTest, OneOfAGroupMayLeaveAndTheOthersGetWhatWaited) {
  executor_->at_once = false;
  const auto stays = std::make_shared<RecordingSink>();
  const auto leaves = std::make_shared<RecordingSink>();
  const auto comes = std::make_shared<RecordingSink>();
  const auto a = bus_->Subscribe(Filtered(stays, "event_type != x"));
  auto b = bus_->Subscribe(Filtered(leaves, "event_type != x"));
  Publish({MakeEvent("1")});
  b.reset();
  const auto c = bus_->Subscribe(Filtered(comes, "event_type != x"));
  Publish({MakeEvent("2")});
  executor_->RunAll();
  EXPECT_THAT(stays->ids(), ElementsAre("1", "2"));
  EXPECT_THAT(leaves->ids(), IsEmpty());
  EXPECT_THAT(comes->ids(), ElementsAre("2"));
  EXPECT_EQ(Count("belfry_events_abandoned_total"), 1u);
  ExpectThatCountsAddUp();
}

TEST_F(BusTest, AFrameThatWaitedSaysByWhichPoliciesItWasAllowedWhenItWasPublished) {
  executor_->at_once = false;
  const auto sink = std::make_shared<RecordingSink>();
  CountingAuthorizer::Rules rules;
  SubscribeOptions options = Filtered(sink, "event_type != x");
  options.event_authorizer = std::make_unique<CountingAuthorizer>(&rules);
  const auto subscription = bus_->Subscribe(std::move(options));
  Publish({MakeEvent("1")});
  rules.version = 2;
  executor_->RunAll();
  EXPECT_EQ(sink->policy_version(), 1u);
}

// Takes longer than a turn.
class SlowFilter final : public Filter {
 public:
  explicit SlowFilter(FakeClock* clock) : clock_(clock) {}
  const std::string& text() const override { return text_; }
  bool Matches(const EventFields&) const override {
    clock_->Advance(absl::Milliseconds(2));
    return true;
  }

 private:
  FakeClock* const clock_;
  const std::string text_ = "slow";
};

TEST_F(BusTest, ASlowFilterLetsTheOthersHaveTheirTurn) {
  executor_->at_once = false;
  const auto slow = std::make_shared<RecordingSink>();
  const auto other = std::make_shared<RecordingSink>();
  SubscribeOptions options = Options(slow);
  options.filter = std::make_shared<SlowFilter>(&clock_);
  const auto a = bus_->Subscribe(std::move(options));
  const auto b = bus_->Subscribe(Filtered(other, "event_type != x"));
  Publish({MakeEvent("1"), MakeEvent("2"), MakeEvent("3"), MakeEvent("4")});
  executor_->RunOne();
  executor_->RunOne();
  EXPECT_EQ(slow->frames().size(), 1u);
  EXPECT_EQ(other->frames().size(), 4u);
  executor_->RunAll();
  EXPECT_THAT(slow->ids(), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(other->ids(), ElementsAre("1", "2", "3", "4"));
}

// What many filters of one owner cost, only that owner's subscribers wait for.
TEST_F(BusTest, FiltersOfOneOwnerDoNotHoldUpThoseOfAnother) {
  executor_->at_once = false;
  constexpr int kMany = 100;
  int asked = 0;
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (int i = 0; i < kMany; ++i) {
    SubscribeOptions options = Options(std::make_shared<RecordingSink>());
    options.filter = std::make_shared<CountingFilter>(std::to_string(i), &asked);
    options.owner = "many";
    subscriptions.push_back(bus_->Subscribe(std::move(options)));
  }
  const auto sink = std::make_shared<RecordingSink>();
  SubscribeOptions options = Filtered(sink, "event_type != x");
  options.owner = "one";
  subscriptions.push_back(bus_->Subscribe(std::move(options)));
  for (int round = 1; round <= 2; ++round) {
    const int before = asked;
    Publish({MakeEvent(std::to_string(round))});
    executor_->RunOne();
    executor_->RunOne();
    EXPECT_EQ(sink->frames().size(), static_cast<std::size_t>(round));
    EXPECT_EQ(asked, before + 1);
    executor_->RunAll();
    EXPECT_EQ(asked, round * kMany);
  }
  ExpectThatCountsAddUp();
}

TEST_F(BusTest, AFilterThatTwoOwnersShareFillsTheLaneOfTheSlowOneOnly) {
  executor_->at_once = false;
  const auto first = std::make_shared<RecordingSink>();
  const auto second = std::make_shared<RecordingSink>();
  SubscribeOptions a = Filtered(first, "event_type != x");
  a.owner = "a";
  SubscribeOptions b = Filtered(second, "event_type != x");
  b.owner = "b";
  b.event_authorizer = std::make_unique<PathAuthorizer>("");
  const auto keep_a = bus_->Subscribe(std::move(a));
  const auto keep_b = bus_->Subscribe(std::move(b));
  for (int i = 0; i < 5; ++i) Publish({MakeEvent("for a")});
  Publish({EventOn("p", "for b")});
  executor_->RunAll();
  EXPECT_TRUE(first->overflowed);
  EXPECT_FALSE(second->overflowed);
  EXPECT_THAT(second->ids(), ElementsAre("for b"));
  ExpectThatCountsAddUp();
}

TEST_F(BusTest, AFullSubscriberOfAFilterMissesWhatWaitsBehind) {
  executor_->at_once = false;
  const auto full = std::make_shared<RecordingSink>(1);
  const auto subscription = bus_->Subscribe(Filtered(full, "event_type != x"));
  Publish({MakeEvent("1"), MakeEvent("2"), MakeEvent("3")});
  executor_->RunAll();
  EXPECT_EQ(Count("belfry_events_delivered_total"), 1u);
  EXPECT_EQ(Count("belfry_events_missed_total"), 2u);
  ExpectThatCountsAddUp();
}

}  // namespace
}  // namespace belfry::bus
