#include "server/bus/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "server/bus/testing.h"

namespace belfry::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DeliveryTest : public ::testing::Test {
 protected:
  SubscriberPtr NewMember(std::size_t capacity = 100) {
    sinks_.push_back(std::make_shared<RecordingSink>(capacity));
    return std::make_shared<Subscriber>(SubscribeOptions{
        .event_authorizer = std::make_unique<PathAuthorizer>(), .sink = sinks_.back()});
  }
  // Events with these ids, on a path of their own each.
  std::vector<Prepared*> Events(const std::vector<std::string>& ids) {
    std::vector<Prepared*> wanted;
    for (const std::string& id : ids) {
      logical::EventReceived message;
      message.mutable_event()->set_id(id);
      events_.push_back({.bytes = message.SerializeAsString(), .type = "t", .path = id});
      prepared_.emplace_back(events_.back(), &subjects_);
      wanted.push_back(&prepared_.back());
    }
    return wanted;
  }
  static std::shared_ptr<const Members> Group(Members members) {
    return std::make_shared<const Members>(std::move(members));
  }
  // One turn, which is over after one event.
  FilterTurn ShortTurn() {
    return AskFilter(filter_, lane_, clock_, SteadyTime::InfinitePast(), tally_);
  }
  FilterTurn LongTurn() {
    return AskFilter(filter_, lane_, clock_, SteadyTime::InfiniteFuture(), tally_);
  }
  static Limits SmallLimits() {
    Limits limits;
    limits.max_queued_frames = 2;
    return limits;
  }

  const FakeClock clock_{absl::UnixEpoch()};
  int asked_ = 0;
  const CountingFilter filter_{"x", &asked_};
  Lane lane_{SmallLimits()};
  Subjects subjects_;
  std::deque<storage::AcceptedEvent> events_;  // Each stays in place.
  std::deque<Prepared> prepared_;
  std::vector<std::shared_ptr<RecordingSink>> sinks_;
  Tally tally_;
};

TEST_F(DeliveryTest, EachMemberIsOfferedWhatItMaySeeInOrder) {
  const Members members = {NewMember(), NewMember()};
  EXPECT_THAT(OfferToMembers(members, Events({"1", "forbidden", "2"}), tally_), IsEmpty());
  EXPECT_THAT(sinks_[0]->ids(), ElementsAre("1", "2"));
  EXPECT_THAT(sinks_[1]->ids(), ElementsAre("1", "2"));
  EXPECT_EQ(tally_.delivered, 4u);
  EXPECT_EQ(tally_.denied, 2u);
}

TEST_F(DeliveryTest, WhoIsFullOrGoneIsReturnedAndTheOthersGoOn) {
  const Members members = {NewMember(1), NewMember(), NewMember()};
  sinks_[1]->Close();
  EXPECT_THAT(OfferToMembers(members, Events({"1", "2", "3"}), tally_),
              ElementsAre(members[0], members[1]));
  EXPECT_TRUE(members[0]->ended);
  EXPECT_THAT(sinks_[2]->ids(), ElementsAre("1", "2", "3"));
  EXPECT_EQ(tally_.missed, 2u);
  EXPECT_EQ(tally_.abandoned, 3u);
}

TEST_F(DeliveryTest, WhatNobodyMaySeeDoesNotWaitForTheFilter) {
  const auto members = Group({NewMember()});
  EXPECT_FALSE(QueueForFilter(members, lane_, Events({"forbidden"}), tally_).awoken);
  EXPECT_EQ(tally_.denied, 1u);
  EXPECT_TRUE(QueueForFilter(members, lane_, Events({"1", "2"}), tally_).awoken);
  EXPECT_EQ(asked_, 0);
}

TEST_F(DeliveryTest, ATurnThatIsOverTakesOneEventAndAnotherGoesOn) {
  QueueForFilter(Group({NewMember()}), lane_, Events({"1", "2"}), tally_);
  EXPECT_FALSE(ShortTurn().empty);
  EXPECT_THAT(sinks_[0]->ids(), ElementsAre("1"));
  EXPECT_TRUE(LongTurn().empty);
  EXPECT_THAT(sinks_[0]->ids(), ElementsAre("1", "2"));
  EXPECT_EQ(tally_.delivered, 2u);
}

TEST_F(DeliveryTest, AFilterIsAskedOnceForAllWhoShareIt) {
  QueueForFilter(Group({NewMember(), NewMember(), NewMember()}), lane_, Events({"1"}), tally_);
  LongTurn();
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(tally_.delivered, 3u);
}

TEST_F(DeliveryTest, WhoIsFullWhenTheFilterWasAskedIsReturned) {
  const auto members = Group({NewMember(1), NewMember()});
  QueueForFilter(members, lane_, Events({"1", "2"}), tally_);
  EXPECT_THAT(LongTurn().gone, ElementsAre(members->front()));
  EXPECT_THAT(sinks_[1]->ids(), ElementsAre("1", "2"));
  EXPECT_EQ(tally_.missed, 1u);
}

TEST_F(DeliveryTest, AFullLaneEndsTheMembersAndAllThatTheyDoNotGetIsMissed) {
  const auto members = Group({NewMember(), NewMember()});
  const Queued queued = QueueForFilter(members, lane_, Events({"1", "2", "3", "4"}), tally_);
  EXPECT_TRUE(queued.awoken);
  EXPECT_THAT(queued.overflowed, ElementsAre(members->at(0), members->at(1)));
  EXPECT_TRUE(members->front()->too_slow);
  EXPECT_EQ(tally_.missed, 8u);
  EXPECT_TRUE(LongTurn().empty);
  EXPECT_EQ(asked_, 0);
}

}  // namespace
}  // namespace belfry::bus
