#include "server/bus/bus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "server/bus/bus_fixture.h"

namespace belfry::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(BusTest, EverySubscriberGetsEachEventOnceInOrder) {
  const auto first = std::make_shared<RecordingSink>();
  const auto second = std::make_shared<RecordingSink>();
  const auto a = bus_->Subscribe(Options(first));
  const auto b = bus_->Subscribe(Options(second));
  Publish({MakeEvent("1"), MakeEvent("2")});
  Publish({MakeEvent("3")});
  EXPECT_THAT(first->ids(), ElementsAre("1", "2", "3"));
  EXPECT_THAT(second->ids(), ElementsAre("1", "2", "3"));
}

TEST_F(BusTest, SubscribersOfOneFormatShareTheBytes) {
  const auto first = std::make_shared<RecordingSink>();
  const auto second = std::make_shared<RecordingSink>();
  const auto a = bus_->Subscribe(Options(first));
  const auto b = bus_->Subscribe(Options(second));
  Publish({MakeEvent("1")});
  EXPECT_EQ(first->frames().at(0).get(), second->frames().at(0).get());
}

TEST_F(BusTest, EachFormatGetsItsOwnBytes) {
  const auto sink = std::make_shared<RecordingSink>();
  SubscribeOptions options = Options(sink);
  options.format = Format::kCloudEventsJson;
  const auto subscription = bus_->Subscribe(std::move(options));
  Publish({MakeEvent("1")});
  EXPECT_TRUE(sink->frames().at(0)->bytes.starts_with(R"({"id":"1",)"));
}

TEST_F(BusTest, OnlyTypesThatMatchAreOffered) {
  const auto sink = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Options(sink, "kv-v1*"));
  Publish({MakeEvent("1", "kv-v2/data-write"), MakeEvent("2", "kv-v1/write")});
  EXPECT_THAT(sink->ids(), ElementsAre("2"));
}

TEST_F(BusTest, WithoutPatternsOnlyTheRootNamespaceIsOffered) {
  const auto sink = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Options(sink));
  Publish({MakeEvent("1", "t", "ns1/"), MakeEvent("2", "t", "")});
  EXPECT_THAT(sink->ids(), ElementsAre("2"));
}

TEST_F(BusTest, NamespacePatternsIgnoreTheTrailingSlash) {
  const auto sink = std::make_shared<RecordingSink>();
  SubscribeOptions options = Options(sink);
  options.namespace_patterns = {"", "ns*"};
  const auto subscription = bus_->Subscribe(std::move(options));
  Publish({MakeEvent("1", "t", "ns1/"), MakeEvent("2", "t", ""), MakeEvent("3", "t", "other/")});
  EXPECT_THAT(sink->ids(), ElementsAre("1", "2"));
}

TEST_F(BusTest, WhatMayNotBeSeenIsNotOfferedAndCounted) {
  const auto sink = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Options(sink));
  Publish({EventOn("a", "1"), EventOn("forbidden", "2"), EventOn("b", "3")});
  EXPECT_THAT(sink->ids(), ElementsAre("1", "3"));
  EXPECT_EQ(Count("belfry_events_denied_total"), 1u);
}

TEST_F(BusTest, AnAuthorizerIsAskedOnceForEachPathAndTypeUntilTheRulesChange) {
  const auto sink = std::make_shared<RecordingSink>();
  CountingAuthorizer::Rules rules;
  SubscribeOptions options = Options(sink);
  options.event_authorizer = std::make_unique<CountingAuthorizer>(&rules);
  const auto subscription = bus_->Subscribe(std::move(options));
  for (int i = 0; i < 3; ++i) Publish({EventOn("a", "1"), EventOn("b", "2"), MakeEvent("3", "t")});
  EXPECT_EQ(rules.asked, 3);
  EXPECT_EQ(Count("belfry_events_delivered_total"), 9u);
  rules = {.version = 2, .allow = false};
  for (int i = 0; i < 3; ++i) Publish({EventOn("a", "4")});
  EXPECT_EQ(rules.asked, 1);
  EXPECT_EQ(Count("belfry_events_denied_total"), 3u);
  rules = {.version = 3};
  Publish({EventOn("a", "5")});
  EXPECT_EQ(Count("belfry_events_delivered_total"), 10u);
}

// Counts the turns in which its subscription is offered something.
class TurnCounter final : public EventAuthorizer {
 public:
  explicit TurnCounter(int* turns) : turns_(turns) {}
  std::uint64_t Refresh() override { return static_cast<std::uint64_t>(++*turns_); }
  bool Allows(std::string_view, std::string_view) override { return false; }

 private:
  int* const turns_;
};

// Between two turns other publishers have theirs, so that no batch holds them up for long.
TEST_F(BusTest, ABatchIsPublishedInTurnsThatAreShorterTheMoreSubscribe) {
  const auto turns_with = [this](int subscribers) {
    std::vector<int> turns(static_cast<std::size_t>(subscribers));
    std::vector<std::unique_ptr<Subscription>> subscriptions;
    for (int& counter : turns) {
      SubscribeOptions options = Options(std::make_shared<RecordingSink>());
      options.event_authorizer = std::make_unique<TurnCounter>(&counter);
      subscriptions.push_back(bus_->Subscribe(std::move(options)));
    }
    Publish(std::vector<logical::EventReceived>(4096, MakeEvent("1")));
    return turns.back();
  };
  EXPECT_EQ(turns_with(1), 1);
  EXPECT_EQ(turns_with(64), 16);
  EXPECT_EQ(turns_with(1000), 128);
  ExpectThatCountsAddUp();
}

TEST_F(BusTest, WhatWasDecidedOfOnePathSaysNothingOfAnother) {
  const auto sink = std::make_shared<RecordingSink>();
  SubscribeOptions options = Options(sink);
  CountingAuthorizer::Rules rules;
  options.event_authorizer = std::make_unique<CountingAuthorizer>(&rules);
  const auto subscription = bus_->Subscribe(std::move(options));
  const auto on = [](std::string path, std::string type) {
    logical::EventReceived event = EventOn(std::move(path), "1");
    event.set_event_type(std::move(type));
    return event;
  };
  Publish({on("a", "bc"), on("ab", "c"), on("abc", "")});
  EXPECT_EQ(Count("belfry_events_delivered_total"), 2u);
  EXPECT_EQ(Count("belfry_events_denied_total"), 1u);
  // More than anybody remembers, twice.
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20000; ++i) Publish({on(std::to_string(i), "t")});
    Publish({on("ab", "c")});
  }
  EXPECT_EQ(Count("belfry_events_delivered_total"), 40002u);
  EXPECT_EQ(Count("belfry_events_denied_total"), 3u);
}

TEST_F(BusTest, AFrameCarriesThePolicyVersionThatAllowedIt) {
  const auto sink = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Options(sink));
  Publish({EventOn("a", "1")});
  EXPECT_EQ(sink->policy_version(), 1u);
  Publish({EventOn("b", "2"), MakeEvent("3", "t")});
  EXPECT_EQ(sink->policy_version(), 2u);
  EXPECT_EQ(sink->frames().at(1)->path, "b");
  EXPECT_EQ(sink->frames().at(1)->type, "kv-v2/data-write");
  EXPECT_EQ(sink->frames().at(2)->path, "");
  EXPECT_EQ(sink->frames().at(2)->type, "t");
}

TEST_F(BusTest, AFullSubscriberGetsNothingMoreAndOthersGetEverything) {
  const auto slow = std::make_shared<RecordingSink>(2);
  const auto fast = std::make_shared<RecordingSink>();
  const auto a = bus_->Subscribe(Options(slow));
  const auto b = bus_->Subscribe(Options(fast));
  for (int i = 0; i < 5; ++i) Publish({MakeEvent(std::to_string(i))});
  EXPECT_THAT(slow->ids(), ElementsAre("0", "1"));
  EXPECT_THAT(fast->ids(), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_EQ(Count("belfry_events_missed_total"), 1u);
}

TEST_F(BusTest, AClosedSubscriberIsNotAskedAgain) {
  const auto sink = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Options(sink));
  sink->Close();
  Publish({MakeEvent("1"), MakeEvent("2")});
  EXPECT_THAT(sink->ids(), IsEmpty());
  EXPECT_EQ(Count("belfry_events_published_total"), 2u);
  EXPECT_EQ(Count("belfry_events_abandoned_total"), 2u);
}

TEST_F(BusTest, NothingIsOfferedAfterTheSubscriptionIsDropped) {
  const auto sink = std::make_shared<RecordingSink>();
  auto subscription = bus_->Subscribe(Options(sink));
  Publish({MakeEvent("1")});
  EXPECT_EQ(metrics_->GetGauge("belfry_events_subscriptions", "").Value(), 1);
  subscription.reset();
  Publish({MakeEvent("2")});
  EXPECT_THAT(sink->ids(), ElementsAre("1"));
  EXPECT_EQ(metrics_->GetGauge("belfry_events_subscriptions", "").Value(), 0);
}

TEST_F(BusTest, EventsOfOneCallStayInOrderForEveryPatternAndFormat) {
  const auto all = std::make_shared<RecordingSink>();
  const auto some = std::make_shared<RecordingSink>();
  const auto a = bus_->Subscribe(Options(all));
  const auto b = bus_->Subscribe(Options(some, "kv*"));
  std::vector<logical::EventReceived> events;
  for (int i = 0; i < 6; ++i) {
    events.push_back(MakeEvent(std::to_string(i), i % 2 == 0 ? "kv-v1/write" : "notes/write"));
  }
  Publish(events);
  EXPECT_THAT(all->ids(), ElementsAre("0", "1", "2", "3", "4", "5"));
  EXPECT_THAT(some->ids(), ElementsAre("0", "2", "4"));
}

TEST_F(BusTest, ASinkIsLetGoOfOnceItIsFullOrClosed) {
  auto full = std::make_shared<RecordingSink>(0);
  auto closed = std::make_shared<RecordingSink>();
  closed->Close();
  const std::weak_ptr<Sink> full_life = full;
  const std::weak_ptr<Sink> closed_life = closed;
  const auto other = bus_->Subscribe(Options(std::make_shared<RecordingSink>()));
  auto a = bus_->Subscribe(Options(std::move(full)));
  auto b = bus_->Subscribe(Options(std::move(closed)));
  EXPECT_EQ(metrics_->GetGauge("belfry_events_subscriptions", "").Value(), 3);
  Publish({MakeEvent("1")});
  EXPECT_EQ(metrics_->GetGauge("belfry_events_subscriptions", "").Value(), 1);
  a.reset();
  b.reset();
  EXPECT_TRUE(full_life.expired());
  EXPECT_TRUE(closed_life.expired());
  EXPECT_EQ(metrics_->GetGauge("belfry_events_subscriptions", "").Value(), 1);
}

// Ends its own subscription when it dies, wherever that is.
class OwningSink final : public Sink {
 public:
  OfferResult Offer(const Frame&, std::uint64_t) override { return OfferResult::kClosed; }
  void Overflow() override {}
  std::unique_ptr<Subscription> other;
};

TEST_F(BusTest, ASinkMayEndSubscriptionsWhenItDies) {
  auto sink = std::make_shared<OwningSink>();
  sink->other = bus_->Subscribe(Options(std::make_shared<RecordingSink>()));
  const std::weak_ptr<Sink> life = sink;
  auto subscription = bus_->Subscribe(Options(std::move(sink)));
  subscription.reset();
  EXPECT_TRUE(life.expired());
  EXPECT_EQ(metrics_->GetGauge("belfry_events_subscriptions", "").Value(), 0);
}

TEST_F(BusTest, TheCountersAddUp) {
  const auto slow = std::make_shared<RecordingSink>(1);
  const auto a = bus_->Subscribe(Options(slow));
  const auto b = bus_->Subscribe(Options(std::make_shared<RecordingSink>(), "other/*"));
  SubscribeOptions denied = Options(std::make_shared<RecordingSink>());
  denied.event_authorizer = std::make_unique<PathAuthorizer>("");
  const auto c = bus_->Subscribe(std::move(denied));
  for (int i = 0; i < 10; ++i) Publish({MakeEvent(std::to_string(i))});
  EXPECT_EQ(Count("belfry_events_delivered_total"), 1u);
  EXPECT_EQ(Count("belfry_events_missed_total"), 1u);
  EXPECT_EQ(Count("belfry_events_filtered_total"), 10u);
  EXPECT_EQ(Count("belfry_events_denied_total"), 10u);
  EXPECT_EQ(Count("belfry_events_published_total"), 22u);
}

TEST_F(BusTest, TheRestOfABatchIsMissedToo) {
  const auto slow = std::make_shared<RecordingSink>(1);
  const auto subscription = bus_->Subscribe(Options(slow, "kv*"));
  Publish({MakeEvent("1"), MakeEvent("2"), MakeEvent("3", "other/x"), MakeEvent("4")});
  EXPECT_EQ(Count("belfry_events_published_total"), 4u);
  EXPECT_EQ(Count("belfry_events_delivered_total"), 1u);
  EXPECT_EQ(Count("belfry_events_filtered_total"), 1u);
  EXPECT_EQ(Count("belfry_events_missed_total"), 2u);
}

TEST_F(BusTest, SubscribersMayComeAndGoWhileSeveralPublish) {
  const auto steady = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Options(steady));
  std::atomic<int> publishing = 2;
  std::vector<std::thread> threads;
  for (const char* name : {"a", "b"}) {
    threads.emplace_back([this, name, &publishing] {
      for (int i = 0; i < 500; ++i) Publish({MakeEvent(name + std::to_string(i))});
      --publishing;
    });
  }
  threads.emplace_back([this, &publishing] {
    while (publishing > 0) {
      const auto sink = std::make_shared<RecordingSink>();
      const auto passing = bus_->Subscribe(Options(sink));
    }
  });
  for (std::thread& thread : threads) thread.join();

  // Each publisher's events in its order, whatever the other did.
  int next_a = 0;
  int next_b = 0;
  for (const std::string& id : steady->ids()) {
    int& next = id[0] == 'a' ? next_a : next_b;
    EXPECT_EQ(id.substr(1), std::to_string(next++));
  }
  EXPECT_EQ(next_a, 500);
  EXPECT_EQ(next_b, 500);
}

}  // namespace
}  // namespace belfry::bus
