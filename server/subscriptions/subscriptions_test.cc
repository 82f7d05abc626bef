#include "server/subscriptions/subscriptions.h"

#include <functional>

#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/access/testing.h"
#include "server/access/token.h"
#include "server/subscriptions/testing.h"

namespace belfry::subscriptions {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Changes something between what is asked first and what is watched.
class MeddlingAuthorizer final : public access::Authorizer {
 public:
  explicit MeddlingAuthorizer(const access::Authorizer* real) : real_(real) {}
  // Run once, when a token is about to be watched.
  std::function<void()> meddle = [] {};

  absl::StatusOr<access::Identity> Authenticate(std::string_view token) const override {
    return real_->Authenticate(token);
  }
  bool Allows(const access::Identity& identity, const access::Question& question) const override {
    return real_->Allows(identity, question);
  }
  bool BoundsParameters(const access::Identity& identity, access::Capability capability,
                        std::string_view path) const override {
    return real_->BoundsParameters(identity, capability, path);
  }
  bool AllowsEvent(const access::Identity& identity, std::string_view path,
                   std::string_view type) const override {
    return real_->AllowsEvent(identity, path, type);
  }
  std::shared_ptr<const access::Acl> RulesOf(const access::Identity& identity) const override {
    return real_->RulesOf(identity);
  }
  std::shared_ptr<const void> Watch(const access::Identity& identity,
                                    std::function<void(std::string_view)> ended) const override {
    meddle();
    return real_->Watch(identity, std::move(ended));
  }

 private:
  const access::Authorizer* const real_;
};

// A subscriber with a token of its own, on real policies and tokens.
class SubscriptionsTest : public ::testing::Test {
 protected:
  SubscriptionsTest() {
    Write(R"(path "sys/events/subscribe/*" { capabilities = ["read"] }
             path "secret/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] })");
    auto planned =
        access::PlanToken(tokens_.root->entry, access::CreatorRights::kSudo, {.policies = {"app"}});
    EXPECT_TRUE(planned.ok() && tokens_.store->Create(&*planned).ok());
    id_ = planned->entry.id;
    identity_ = *authorizer_.Authenticate(planned->secret);
  }

  void Write(std::string_view policy) {
    EXPECT_EQ(policies_.store->Put("app", policy), absl::OkStatus());
  }

  Request KvEvents() const {
    return {.identity = identity_, .path = "sys/events/subscribe/kv*", .type_pattern = "kv*"};
  }
  absl::StatusOr<OpenedSubscription> Subscribe() {
    return Open(environment_, KvEvents(), subscriber_);
  }
  absl::StatusCode Refusal() { return Subscribe().status().code(); }

  FakeClock clock_{absl::FromUnixSeconds(1795413511)};
  access::MemoryPolicies policies_;
  access::MemoryTokens tokens_{&clock_};
  const std::unique_ptr<access::Authorizer> real_authorizer_ =
      access::NewAuthorizer(policies_.store.get(), tokens_.store.get(), &clock_);
  MeddlingAuthorizer authorizer_{real_authorizer_.get()};
  FakeBus bus_;
  Subscribers subscribers_;
  const Environment environment_{
      .authorizer = &authorizer_, .bus = &bus_, .subscribers = &subscribers_};
  std::string id_;  // Of the token.
  access::Identity identity_;
  const std::shared_ptr<FakeSubscriber> subscriber_ = std::make_shared<FakeSubscriber>();
};

TEST_F(SubscriptionsTest, CheckingRefusesWhatOpeningDoesAndSubscribesNobody) {
  Request broken = KvEvents();
  broken.query = {{"json", "maybe"}};
  EXPECT_EQ(Check(environment_, KvEvents()), absl::OkStatus());
  EXPECT_EQ(Check(environment_, broken).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Open(environment_, broken, subscriber_).status(), Check(environment_, broken));
  // Whatever it asks for, whoever may not subscribe learns nothing about it.
  Write("path \"a\" {}");
  EXPECT_EQ(Check(environment_, broken).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Open(environment_, broken, subscriber_).status(), Check(environment_, broken));
  EXPECT_THAT(bus_.subscribed, IsEmpty());
}

// By which the turns of filters are given out.
TEST_F(SubscriptionsTest, TheTokenOwnsItsSubscriptions) {
  ASSERT_TRUE(Subscribe().ok());
  ASSERT_FALSE(identity_.accessor.empty());
  EXPECT_EQ(bus_.subscribed.at(0).owner, identity_.accessor);
}

TEST_F(SubscriptionsTest, NothingSlipsThroughBetweenAskingAndWatching) {
  authorizer_.meddle = [this] { Write("path \"a\" {}"); };
  EXPECT_EQ(Refusal(), absl::StatusCode::kPermissionDenied);
  Write(R"(path "sys/events/subscribe/*" { capabilities = ["read"] })");
  authorizer_.meddle = [this] { ASSERT_EQ(tokens_.store->Revoke(id_), absl::OkStatus()); };
  EXPECT_EQ(Refusal(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(bus_.subscribed, IsEmpty());
}

TEST_F(SubscriptionsTest, WhatWasDroppedIsNotEndedWithItsToken) {
  auto opened = Subscribe();
  ASSERT_TRUE(opened.ok());
  *opened = {};
  ASSERT_EQ(tokens_.store->Revoke(id_), absl::OkStatus());
  EXPECT_EQ(subscriber_->end_reason, "");
}

}  // namespace
}  // namespace belfry::subscriptions
