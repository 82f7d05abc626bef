#include "server/plugin_host/reply_conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

pb::Auth& AuthOf(pb::HandleRequestReply& reply) {
  return *reply.mutable_response()->mutable_auth();
}

TEST(ReplyConversion, AnAuthIsAGrant) {
  pb::HandleRequestReply reply;
  pb::Auth& auth = AuthOf(reply);
  auth.add_policies("app");
  (*auth.mutable_metadata())["username"] = "alice";
  auth.set_display_name("alice");
  auth.mutable_lease_options()->set_ttl(absl::ToInt64Nanoseconds(absl::Minutes(10)));
  auth.mutable_lease_options()->set_maxttl(absl::ToInt64Nanoseconds(absl::Hours(1)));
  auth.mutable_lease_options()->set_renewable(true);
  auth.set_explicit_max_ttl(absl::ToInt64Nanoseconds(absl::Hours(2)));
  auth.set_period(absl::ToInt64Nanoseconds(absl::Hours(3)));
  auth.set_num_uses(4);
  auth.set_no_default_policy(true);
  auth.add_bound_cidrs("10.0.0.0/8");
  const mounts::Reply converted = FromProto(std::move(reply));
  ASSERT_TRUE(converted.response && converted.response->grant);
  const mounts::LoginGrant& grant = *converted.response->grant;
  EXPECT_THAT(grant.policies, ElementsAre("app"));
  EXPECT_THAT(grant.metadata, ElementsAre(Pair("username", "alice")));
  EXPECT_EQ(grant.display_name, "alice");
  EXPECT_EQ(grant.ttl, absl::Minutes(10));
  EXPECT_EQ(grant.max_ttl, absl::Hours(1));
  EXPECT_TRUE(grant.renewable);
  EXPECT_EQ(grant.explicit_max_ttl, absl::Hours(2));
  EXPECT_EQ(grant.period, absl::Hours(3));
  EXPECT_EQ(grant.num_uses, 4);
  EXPECT_TRUE(grant.no_default_policy);
  EXPECT_THAT(grant.bound_cidrs, ElementsAre("10.0.0.0/8"));
  EXPECT_EQ(grant.token_type, "");
}

// Auth.token_type: 0 default, 1 service, 2 batch, 3 default-service, 4 default-batch.
// (plugin-protocol 5.4)
TEST(ReplyConversion, ABatchTokenIsNotTakenForAnother) {
  for (std::uint32_t type = 0; type <= 4; ++type) {
    pb::HandleRequestReply reply;
    AuthOf(reply).set_token_type(type);
    const mounts::Reply converted = FromProto(std::move(reply));
    EXPECT_EQ(converted.response->grant->token_type, type == 2 || type == 4 ? "batch" : "");
  }
}

TEST(ReplyConversion, AnAnswerWithoutAuthGrantsNothing) {
  pb::HandleRequestReply reply;
  reply.mutable_response()->set_data("{}");
  EXPECT_FALSE(FromProto(std::move(reply)).response->grant);
}

}  // namespace
}  // namespace belfry::plugin_host
