#include "server/subscriptions/follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/testing.h"
#include "server/bus/testing.h"
#include "server/journal/testing.h"
#include "server/subscriptions/followers.h"
#include "server/subscriptions/testing.h"

namespace belfry::subscriptions {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Takes as many frames as it has room for, and remembers them as "SEQUENCE WHAT".
class ReadingSubscriber final : public Subscriber {
 public:
  std::size_t room = 1'000'000;
  bool closed = false;
  std::vector<std::string> frames;
  std::string end_reason;

  bus::OfferResult Offer(const bus::Frame& frame, std::uint64_t) override {
    if (closed) return bus::OfferResult::kClosed;
    const boost::json::object json = boost::json::parse(frame->bytes).as_object();
    const std::string cursor(json.at("cursor").as_string());
    frames.push_back(Concat({cursor.substr(cursor.find('-') + 1), " ", WhatIs(json)}));
    EXPECT_EQ(frame->kind == bus::Message::Kind::kEvent, json.at("type") == "*");
    if (room > 0 && frame->kind == bus::Message::Kind::kEvent) --room;
    return bus::OfferResult::kAccepted;
  }
  void Overflow() override {}
  bool HasRoom() const override { return room > 0; }
  bool AwaitRoom(absl::AnyInvocable<void()> wake) override {
    if (room > 0) return true;
    wake_ = std::move(wake);
    return false;
  }
  void End(std::string_view reason) override { end_reason = reason; }
  void AwaitSending() override {}

  void MakeRoom(std::size_t frames) {
    room = frames;
    if (auto wake = std::exchange(wake_, nullptr)) wake();
  }
  std::vector<std::string> TakeFrames() { return std::exchange(frames, {}); }

 private:
  static std::string WhatIs(const boost::json::object& frame) {
    if (frame.at("type") == "belfry.bookmark") return "bookmark";
    const boost::json::value& data = frame.at("data");
    if (frame.at("type") == "belfry.gap")
      return Concat({"gap ", std::string_view(data.at("reason").as_string())});
    return std::string(data.at("event").at("id").as_string());
  }

  absl::AnyInvocable<void()> wake_;
};

// Takes events whose operation is "yes".
class OperationFilter final : public bus::Filter {
 public:
  const std::string& text() const override { return text_; }
  bool Matches(const bus::EventFields& fields) const override { return fields.operation == "yes"; }

 private:
  const std::string text_ = "operation == yes";
};

// Allows everything from the moment on at which it is told so, and nothing before.
class LateAuthorizer final : public bus::EventAuthorizer {
 public:
  explicit LateAuthorizer(const bool* allows) : allows_(allows) {}
  std::uint64_t Refresh() override {
    allowed_ = *allows_;
    return allowed_ ? 2 : 1;
  }
  bool Allows(std::string_view, std::string_view) override { return allowed_; }

 private:
  const bool* const allows_;
  bool allowed_ = false;
};

// Does something when it is offered its first frame.
class InterruptingSubscriber final : public Subscriber {
 public:
  explicit InterruptingSubscriber(std::function<void()> interrupt)
      : interrupt_(std::move(interrupt)) {}
  int events = 0;
  bus::OfferResult Offer(const bus::Frame& frame, std::uint64_t) override {
    if (frame->kind == bus::Message::Kind::kEvent) ++events;
    if (auto interrupt = std::exchange(interrupt_, nullptr)) interrupt();
    return bus::OfferResult::kAccepted;
  }
  void Overflow() override {}
  bool HasRoom() const override { return true; }
  bool AwaitRoom(absl::AnyInvocable<void()>) override { return true; }
  void End(std::string_view) override {}
  void AwaitSending() override {}

 private:
  std::function<void()> interrupt_;
};

class FollowerTest : public ::testing::Test {
 protected:
  FollowerTest() {
    EXPECT_EQ(memory_.opened(), absl::OkStatus());
    journal_.OnMore([this] { followers_.OnMore(); });
  }

  // One event, which has this as its id and its path.
  void Publish(const std::string& id, const std::string& type = "kv-v2/data-write",
               const std::string& operation = "yes") {
    logical::EventReceived event;
    event.set_event_type(type);
    event.mutable_event()->set_id(id);
    (*event.mutable_event()->mutable_metadata()->mutable_fields())["operation"].set_string_value(
        operation);
    ASSERT_EQ(memory_.Commit({.accepted = clock_.Now(),
                              .bytes = event.SerializeAsString(),
                              .type = type,
                              .path = id}),
              absl::OkStatus());
  }

  void Follow(Start start, const std::string& type = "*",
              std::shared_ptr<const bus::Filter> filter = nullptr) {
    following_ = followers_.Follow(
        {.pattern = {.type = type, .namespaces = {""}, .filter = std::move(filter)},
         .format = bus::Format::kCloudEventsJson,
         .event_authorizer = std::make_unique<bus::PathAuthorizer>(),
         .subscriber = subscriber_,
         .start = std::move(start)});
  }

  std::vector<std::string> Received() {
    executor_.Work();
    return subscriber_->TakeFrames();
  }
  std::uint64_t Counted(const std::string& what) {
    return metrics_->GetCounter(Concat({"belfry_events_", what, "_total"}), "").Value();
  }
  journal::Cursor At(std::uint64_t sequence) const {
    return {.epoch = journal_.epoch(), .sequence = sequence};
  }

  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeScheduler scheduler_{&clock_};
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  SteppedExecutor executor_;
  journal::MemoryJournal memory_{metrics_.get(), {.max_bytes = 20'000}};
  journal::Journal& journal_ = memory_.journal();
  Followers followers_{&journal_, &clock_, &scheduler_, metrics_.get(), executor_.New(), Logger()};
  const std::shared_ptr<ReadingSubscriber> subscriber_ = std::make_shared<ReadingSubscriber>();
  std::unique_ptr<bus::Subscription> following_;
};

TEST_F(FollowerTest, OldEventsAndNewOnesComeInOneOrderEachOnce) {
  for (const char* const id : {"a", "b", "c"}) Publish(id);
  Follow(followers_.After(At(1)));
  Publish("d");
  EXPECT_THAT(Received(), ElementsAre("2 b", "3 c", "4 d"));
  Publish("e");
  EXPECT_THAT(Received(), ElementsAre("5 e"));
}

TEST_F(FollowerTest, ASubscriberThatBeginsAtLatestGetsABookmark) {
  for (const char* const id : {"a", "b"}) Publish(id);
  Follow(followers_.Latest());
  EXPECT_THAT(Received(), ElementsAre("2 bookmark"));
  Publish("c");
  EXPECT_THAT(Received(), ElementsAre("3 c"));
  Follow(followers_.Earliest());
  EXPECT_THAT(Received(), ElementsAre("1 a", "2 b", "3 c"));
}

TEST_F(FollowerTest, ASubscriberThatHasThePlaceGetsNoBookmark) {
  Publish("a");
  Follow(followers_.After(At(1)));
  EXPECT_THAT(Received(), IsEmpty());
  scheduler_.Advance(absl::Minutes(1));
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(FollowerTest, WhatIsNotAskedForOrMayNotBeSeenMovesTheBookmark) {
  Follow(followers_.Latest(), "kv*", std::make_shared<OperationFilter>());
  EXPECT_THAT(Received(), ElementsAre("0 bookmark"));
  Publish("a", "other");
  Publish("forbidden");
  Publish("b", "kv", "no");
  EXPECT_THAT(Received(), IsEmpty());
  scheduler_.Advance(absl::Seconds(5));
  EXPECT_THAT(Received(), ElementsAre("3 bookmark"));
  scheduler_.Advance(absl::Minutes(1));
  EXPECT_THAT(Received(), IsEmpty());
  Publish("c", "kv");
  EXPECT_THAT(Received(), ElementsAre("4 c"));
  EXPECT_EQ(Counted("published"), 4u);
  EXPECT_EQ(Counted("delivered"), 1u);
  EXPECT_EQ(Counted("filtered"), 2u);
  EXPECT_EQ(Counted("denied"), 1u);
}

TEST_F(FollowerTest, ASlowSubscriberIsWaitedForAndGetsAllThatItMissed) {
  subscriber_->room = 2;
  Follow(followers_.Latest());
  EXPECT_THAT(Received(), ElementsAre("0 bookmark"));
  for (const char* const id : {"a", "b", "c", "d", "e"}) Publish(id);
  EXPECT_THAT(Received(), ElementsAre("1 a", "2 b"));
  Publish("f");
  EXPECT_THAT(Received(), IsEmpty());
  subscriber_->MakeRoom(3);
  EXPECT_THAT(Received(), ElementsAre("3 c", "4 d", "5 e"));
  subscriber_->MakeRoom(3);
  Publish("g");
  EXPECT_THAT(Received(), ElementsAre("6 f", "7 g"));
}

TEST_F(FollowerTest, AnotherEpochIsAGapAndGoesOnWithWhatComes) {
  Publish("a");
  Follow(followers_.After({.epoch = "0123456789abcdef", .sequence = 1}));
  Publish("b");
  EXPECT_THAT(Received(), ElementsAre("1 gap epoch", "2 b"));
}

TEST_F(FollowerTest, APlaceThatThereIsNotIsAGap) {
  Publish("a");
  Follow(followers_.After(At(7)));
  Publish("b");
  EXPECT_THAT(Received(), ElementsAre("1 gap ahead", "2 b"));
}

TEST_F(FollowerTest, WhatWasDeletedIsAGapAndGoesOnWithWhatIsKept) {
  for (int i = 0; i < 400; ++i) {
    Publish("p");
    memory_.TrimNow(clock_.Now());
  }
  const std::uint64_t first = journal_.Kept().first;
  ASSERT_GT(first, 2u);
  Follow(followers_.After(At(1)));
  const std::vector<std::string> received = Received();
  ASSERT_EQ(received.size(), 400 - first + 2);
  EXPECT_EQ(received[0], std::to_string(first - 1) + " gap expired");
  EXPECT_EQ(received[1], std::to_string(first) + " p");
}

TEST_F(FollowerTest, WhatIsDeletedWhileASubscriberIsBehindIsAGap) {
  subscriber_->room = 1;
  Follow(followers_.Latest());
  Publish("first");
  EXPECT_THAT(Received(), ElementsAre("1 first"));
  // More than is kept, and than the last blocks in memory.
  const std::string long_id(10'000, 'p');
  for (int i = 0; i < 500; ++i) {
    Publish(long_id);
    memory_.TrimNow(clock_.Now());
  }
  subscriber_->MakeRoom(1'000);
  const std::vector<std::string> received = Received();
  ASSERT_FALSE(received.empty());
  EXPECT_THAT(received.front(), ::testing::EndsWith(" gap expired"));
  EXPECT_THAT(received.back(), StartsWith("501 "));
  EXPECT_EQ(std::stoull(received.front()) + received.size() - 1, 501u);
}

// Each look at this clock takes longer than a turn.
class HastyClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch(); }
  SteadyTime Steady() const override { return now_ = now_ + absl::Seconds(1); }

 private:
  mutable SteadyTime now_ = SteadyTime::Now();
};

TEST_F(FollowerTest, WhatIsReadFromTheStorageIsReadOnceHoweverShortTheTurnsAre) {
  constexpr int kBatches = 100, kEvents = 60;
  journal::MemoryJournal memory{metrics_.get(), {.max_bytes = std::uint64_t{1} << 30}};
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<storage::AcceptedEvent> events;
    for (int i = 0; i < kEvents; ++i) events.push_back({.bytes = std::string(1000, 'e')});
    ASSERT_EQ(memory.CommitAll(std::move(events)), absl::OkStatus());
  }
  const HastyClock hasty;
  Followers followers(&memory.journal(), &hasty, &scheduler_, metrics_.get(), executor_.New(),
                      Logger());
  const int before = memory.reads();
  const auto following =
      followers.Follow({.pattern = {.type = "another", .namespaces = {""}, .filter = nullptr},
                        .format = bus::Format::kCloudEventsJson,
                        .event_authorizer = std::make_unique<bus::PathAuthorizer>(),
                        .subscriber = subscriber_,
                        .start = followers.Earliest()});
  executor_.Work();
  EXPECT_EQ(Counted("filtered"), static_cast<std::uint64_t>(kBatches * kEvents));
  // A block for each batch, and the last ones are in memory.
  EXPECT_GT(memory.reads() - before, 10);
  EXPECT_LE(memory.reads() - before, kBatches);
}

// Also when a turn is under way as the right is given.
TEST_F(FollowerTest, WhatIsWrittenOnceARightWasGivenIsSeenByIt) {
  bool allows = false;
  const auto subscriber = std::make_shared<InterruptingSubscriber>([&] {
    allows = true;
    Publish("a");
  });
  following_ =
      followers_.Follow({.pattern = {.type = "*", .namespaces = {""}},
                         .event_authorizer = std::make_unique<LateAuthorizer>(&allows),
                         .subscriber = subscriber,
                         .start = followers_.After({.epoch = "0123456789abcdef", .sequence = 1})});
  executor_.Work();
  // Behind the gap, with which the turn began.
  EXPECT_EQ(subscriber->events, 1);
}

TEST_F(FollowerTest, WhenItEndsNothingMoreIsOffered) {
  Follow(followers_.Latest());
  EXPECT_THAT(Received(), ElementsAre("0 bookmark"));
  Publish("a");
  following_ = nullptr;
  EXPECT_THAT(Received(), IsEmpty());
}

TEST_F(FollowerTest, ASubscriberThatHasGoneIsLeft) {
  Follow(followers_.Latest());
  executor_.Work();
  subscriber_->closed = true;
  Publish("a");
  executor_.Work();
  Publish("b");
  executor_.Work();
  EXPECT_EQ(Counted("published"), 1u);
  EXPECT_EQ(Counted("abandoned"), 1u);
}

TEST_F(FollowerTest, AJournalThatCannotBeReadEndsTheSubscriberWithAReason) {
  for (int i = 0; i < 600; ++i) Publish(std::string(10'000, 'p'));
  ASSERT_EQ(memory_.SpoilOldestBlock(), absl::OkStatus());
  Follow(followers_.Earliest());
  EXPECT_THAT(Received(), IsEmpty());
  EXPECT_EQ(subscriber_->end_reason, "the journal cannot be read");
}

}  // namespace
}  // namespace belfry::subscriptions
