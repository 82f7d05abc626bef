#include "server/bus/bus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>
#include <thread>

#include "base/executor.h"
#include "base/mutex.h"
#include "server/bus/event_fields.h"
#include "server/bus/subjects.h"
#include "server/bus/testing.h"
#include "server/storage/committer.h"

namespace belfry::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

logical::EventReceived MakeEvent(std::string id, std::string type = "kv-v2/data-write",
                                 std::string event_namespace = "") {
  logical::EventReceived event;
  event.mutable_event()->set_id(std::move(id));
  event.set_event_type(std::move(type));
  event.set_namespace_(std::move(event_namespace));
  return event;
}

logical::EventReceived EventOn(std::string path, std::string id) {
  logical::EventReceived event = MakeEvent(std::move(id));
  auto& fields = *event.mutable_event()->mutable_metadata()->mutable_fields();
  fields["path"].set_string_value(std::move(path));
  return event;
}

// Runs work at once, or on demand.
class HandExecutor final : public Executor {
 public:
  std::atomic<bool> at_once = true;

  bool Post(absl::AnyInvocable<void()>&& work) override {
    PostAlways(std::move(work));
    return true;
  }
  void PostAlways(absl::AnyInvocable<void()> work) override {
    if (at_once) return work();
    MutexLock lock(&mutex_);
    waiting_.push_back(std::move(work));
  }
  // One piece of work; false when there is none.
  bool RunOne() {
    absl::AnyInvocable<void()> work;
    {
      MutexLock lock(&mutex_);
      if (waiting_.empty()) return false;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
    return true;
  }
  void RunAll() {
    while (RunOne()) {
    }
  }

 private:
  Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

class BusTest : public ::testing::Test {
 protected:
  SubscribeOptions Options(std::shared_ptr<Sink> sink, std::string pattern = "*") {
    return {.type_pattern = std::move(pattern),
            .namespace_patterns = {},
            .filter = nullptr,
            .format = Format::kProtobuf,
            .event_authorizer = std::make_unique<PathAuthorizer>(),
            .sink = std::move(sink)};
  }
  SubscribeOptions Filtered(std::shared_ptr<Sink> sink, std::string_view filter) {
    SubscribeOptions options = Options(std::move(sink));
    options.filter = *Filter::Parse(filter, Limits());
    return options;
  }
  void Publish(const std::vector<logical::EventReceived>& messages) {
    storage::WriteBatch batch;
    for (const logical::EventReceived& message : messages) {
      batch.events.push_back({.accepted = absl::UnixEpoch(),
                              .bytes = message.SerializeAsString(),
                              .type = message.event_type(),
                              .path = std::string(MetadataText(message, "path")),
                              .name_space = message.namespace_()});
    }
    EXPECT_EQ(storage::CommitAndWait(*storage_, std::move(batch)), absl::OkStatus());
  }
  std::uint64_t Count(std::string_view name) { return metrics_->GetCounter(name, "").Value(); }

  // Whether each event became something for each subscription.
  void ExpectThatCountsAddUp() {
    EXPECT_EQ(Count("belfry_events_published_total"),
              Count("belfry_events_delivered_total") + Count("belfry_events_filtered_total") +
                  Count("belfry_events_denied_total") + Count("belfry_events_missed_total") +
                  Count("belfry_events_abandoned_total"));
  }
  static Limits SmallLimits() {
    Limits limits;
    limits.max_queued_frames = 4;
    return limits;
  }

  FakeClock clock_{absl::UnixEpoch()};
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  HandExecutor* executor_ = new HandExecutor();  // The bus's.
  const std::unique_ptr<Bus> bus_ =
      Bus::Create(&clock_, metrics_.get(), SmallLimits(), std::unique_ptr<Executor>(executor_));
  const std::unique_ptr<storage::Storage> storage_ = storage::NewInMemoryStorage(bus_.get());
};

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

TEST_F(BusTest, WhatMayNotBeSeenIsNotOfferedAndCounted) {
  const auto sink = std::make_shared<RecordingSink>();
  const auto subscription = bus_->Subscribe(Options(sink));
  Publish({EventOn("a", "1"), EventOn("forbidden", "2"), EventOn("b", "3")});
  EXPECT_THAT(sink->ids(), ElementsAre("1", "3"));
  EXPECT_EQ(Count("belfry_events_denied_total"), 1u);
}

// Allows what it is told to, and counts how often it was asked.
class CountingAuthorizer final : public EventAuthorizer {
 public:
  struct Rules {
    std::uint64_t version = 1;
    bool allow = true;
    int asked = 0;
  };
  explicit CountingAuthorizer(Rules* rules) : rules_(rules) {}
  std::uint64_t Refresh() override { return rules_->version; }
  bool Allows(std::string_view path, std::string_view type) override {
    ++rules_->asked;
    return rules_->allow && !(path == "ab" && type == "c");
  }

 private:
  Rules* const rules_;
};

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

TEST(Subjects, TakeUpBoundedMemoryAndAreNeverMistaken) {
  Subjects subjects;
  const std::uint64_t first = subjects.NumberOf("a", "t");
  EXPECT_EQ(subjects.NumberOf("a", "t"), first);
  std::uint64_t last = first;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t number =
        subjects.NumberOf(std::string(28 * 1024, 'p') + std::to_string(i), "t");
    EXPECT_GT(number, last);
    last = number;
    // Whoever is asked about is kept.
    EXPECT_EQ(subjects.NumberOf("a", "t"), first);
    ASSERT_LE(subjects.bytes(), Subjects::kMaxBytes);
  }
}

}  // namespace
}  // namespace belfry::bus
