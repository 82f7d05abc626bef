#include "server/bus/subscription_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/bus/testing.h"

namespace belfry::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SubscriptionIndexTest : public ::testing::Test {
 protected:
  static SubscriberPtr NewSubscriber() {
    return std::make_shared<Subscriber>(
        SubscribeOptions{.event_authorizer = std::make_unique<PathAuthorizer>(),
                         .sink = std::make_shared<RecordingSink>()});
  }
  static Pattern Asks(std::string type, std::shared_ptr<const Filter> filter = nullptr,
                      std::string owner = "") {
    return PatternOf({.type_pattern = std::move(type),
                      .namespace_patterns = {},
                      .filter = std::move(filter),
                      .owner = std::move(owner)});
  }
  std::shared_ptr<const Filter> NewFilter(std::string text) {
    return std::make_shared<CountingFilter>(std::move(text), &asked_);
  }
  void Remove(const PatternPtr& pattern, const SubscriberPtr& subscriber) {
    EXPECT_EQ(index_.Remove(pattern, {&subscriber, 1}).subscribers, 1u);
  }

  int asked_ = 0;
  SubscriptionIndex index_{Limits()};
};

TEST_F(SubscriptionIndexTest, ThoseWhoAskTheSameAreOneGroup) {
  const SubscriberPtr first = NewSubscriber();
  const SubscriberPtr second = NewSubscriber();
  const PatternPtr pattern = index_.Add(Asks("kv*"), first);
  EXPECT_EQ(index_.Add(Asks("kv*"), second), pattern);
  index_.Add(Asks("other/*"), NewSubscriber());
  ASSERT_THAT(*index_.Current(), SizeIs(2));
  EXPECT_THAT(*index_.Current()->at(pattern)->members, ElementsAre(first, second));
  EXPECT_EQ(index_.Current()->at(pattern)->lane, nullptr);
}

TEST_F(SubscriptionIndexTest, WithoutAFilterItDoesNotMatterWhoAsks) {
  index_.Add(Asks("kv*", nullptr, "a"), NewSubscriber());
  index_.Add(Asks("kv*", nullptr, "b"), NewSubscriber());
  EXPECT_THAT(*index_.Current(), SizeIs(1));
}

TEST_F(SubscriptionIndexTest, EachOwnerOfAFilterHasALaneAndTheFilterIsCompiledOnce) {
  const PatternPtr b = index_.Add(Asks("kv*", NewFilter("x"), "b"), NewSubscriber());
  const PatternPtr a = index_.Add(Asks("kv*", NewFilter("x"), "a"), NewSubscriber());
  const PatternPtr c = index_.Add(Asks("kv*", NewFilter("x"), "c"), NewSubscriber());
  const PatternPtr other = index_.Add(Asks("kv*", NewFilter("y"), "b"), NewSubscriber());
  const std::shared_ptr<const Index> index = index_.Current();
  ASSERT_THAT(*index, SizeIs(4));
  EXPECT_NE(index->at(a)->lane, index->at(b)->lane);
  EXPECT_NE(index->at(b)->lane, index->at(c)->lane);
  EXPECT_EQ(a->filter, b->filter);
  EXPECT_EQ(c->filter, b->filter);
  EXPECT_NE(other->filter, b->filter);
}

TEST_F(SubscriptionIndexTest, AnIndexThatWasTakenStaysAsItWas) {
  const SubscriberPtr first = NewSubscriber();
  const PatternPtr pattern = index_.Add(Asks("kv*"), first);
  const std::shared_ptr<const Index> before = index_.Current();
  const SubscriberPtr second = NewSubscriber();
  index_.Add(Asks("kv*"), second);
  Remove(pattern, first);
  EXPECT_THAT(*before->at(pattern)->members, ElementsAre(first));
  EXPECT_THAT(*index_.Current()->at(pattern)->members, ElementsAre(second));
}

TEST_F(SubscriptionIndexTest, TheLastToLeaveLeavesItsLaneToBeClosed) {
  const SubscriberPtr first = NewSubscriber();
  const SubscriberPtr second = NewSubscriber();
  const PatternPtr pattern = index_.Add(Asks("kv*", NewFilter("x")), first);
  index_.Add(Asks("kv*", NewFilter("x")), second);
  const std::shared_ptr<Lane> lane = index_.Current()->at(pattern)->lane;
  EXPECT_EQ(index_.Remove(pattern, {&first, 1}).lane, nullptr);
  EXPECT_EQ(index_.Remove(pattern, {&second, 1}).lane, lane);
  EXPECT_THAT(*index_.Current(), IsEmpty());
}

TEST_F(SubscriptionIndexTest, WhoIsNotListedIsPassedOver) {
  const SubscriberPtr listed = NewSubscriber();
  const SubscriberPtr stranger = NewSubscriber();
  const PatternPtr pattern = index_.Add(Asks("kv*"), listed);
  EXPECT_EQ(index_.Remove(pattern, {&stranger, 1}).subscribers, 0u);
  Remove(pattern, listed);
  EXPECT_EQ(index_.Remove(pattern, {&listed, 1}).subscribers, 0u);
}

TEST_F(SubscriptionIndexTest, TheMoreSubscribeTheFewerEventsArePublishedAtOnce) {
  EXPECT_EQ(index_.MostEventsAtOnce(), 16384u);
  std::vector<std::pair<PatternPtr, SubscriberPtr>> listed;
  const auto grow = [&](std::size_t size) {
    while (listed.size() < size) {
      const SubscriberPtr subscriber = NewSubscriber();
      listed.emplace_back(index_.Add(Asks("kv*"), subscriber), subscriber);
    }
  };
  grow(64);
  EXPECT_EQ(index_.MostEventsAtOnce(), 256u);
  grow(1000);
  EXPECT_EQ(index_.MostEventsAtOnce(), 32u);
  for (const auto& [pattern, subscriber] : listed) Remove(pattern, subscriber);
  EXPECT_EQ(index_.MostEventsAtOnce(), 16384u);
}

TEST_F(SubscriptionIndexTest, PatternsMatchByTypeAndNamespace) {
  const Pattern pattern =
      PatternOf({.type_pattern = "kv*", .namespace_patterns = {"", "/ns*/"}, .filter = nullptr});
  EXPECT_TRUE(pattern.Matches({.type = "kv-v1/write"}));
  EXPECT_TRUE(pattern.Matches({.type = "kv-v1/write", .name_space = "ns1/"}));
  EXPECT_FALSE(pattern.Matches({.type = "kv-v1/write", .name_space = "other/"}));
  EXPECT_FALSE(pattern.Matches({.type = "notes/write"}));
}

}  // namespace
}  // namespace belfry::bus
