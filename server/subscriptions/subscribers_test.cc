#include "server/subscriptions/subscribers.h"

#include <gtest/gtest.h>

#include "server/subscriptions/testing.h"

namespace belfry::subscriptions {
namespace {

TEST(SubscribersTest, AllAreEndedButThoseWhoHaveLeft) {
  Subscribers all;
  const auto stays = std::make_shared<FakeSubscriber>();
  const auto leaves = std::make_shared<FakeSubscriber>();
  const auto membership = all.Add(stays);
  ASSERT_NE(all.Add(leaves), nullptr);  // And dropped at once.
  all.EndAll("the server is sealed");
  EXPECT_EQ(stays->end_reason, "the server is sealed");
  EXPECT_EQ(leaves->end_reason, "");
}

TEST(SubscribersTest, NobodyComesInAfterTheEnd) {
  Subscribers all;
  all.EndAll("over");
  const auto late = std::make_shared<FakeSubscriber>();
  EXPECT_EQ(all.Add(late), nullptr);
}

// Drops its membership when it is ended, as a session does on its own thread.
class Leaver final : public Subscriber {
 public:
  std::shared_ptr<const void> membership;
  bus::OfferResult Offer(const bus::Frame&, std::uint64_t) override {
    return bus::OfferResult::kAccepted;
  }
  void Overflow() override {}
  bool HasRoom() const override { return true; }
  bool AwaitRoom(absl::AnyInvocable<void()>) override { return true; }
  void End(std::string_view) override { membership.reset(); }
  void AwaitSending() override {}
};

TEST(SubscribersTest, WhoIsEndedMayLeaveMeanwhile) {
  Subscribers all;
  const auto one = std::make_shared<Leaver>();
  one->membership = all.Add(one);
  all.EndAll("over");
  EXPECT_EQ(one->membership, nullptr);
}

}  // namespace
}  // namespace belfry::subscriptions
