#include "server/access/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'795'413'461);

TokenEntry Root() {
  return {.id = "root-id", .policies = {"root"}, .created = kStart};
}

TokenEntry Plain() {
  return {.id = "plain-id", .policies = {"app", "default", "web"}, .created = kStart};
}

TokenEntry Planned(const TokenEntry& creator, CreatorRights rights, const TokenRequest& request) {
  const absl::StatusOr<PlannedToken> planned = PlanToken(creator, rights, request);
  EXPECT_TRUE(planned.ok()) << planned.status();
  return planned.ok() ? planned->entry : TokenEntry{};
}

std::string Refused(const TokenEntry& creator, CreatorRights rights, const TokenRequest& request) {
  const absl::StatusOr<PlannedToken> planned = PlanToken(creator, rights, request);
  if (planned.ok()) return "accepted";
  EXPECT_EQ(planned.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(planned.status().message());
}

TEST(PlanToken, AChildHasWhatWasAskedForAndDefault) {
  const TokenEntry entry = Planned(Root(), CreatorRights::kSudo,
                                   {.policies = {"Web", " app ", "web"},
                                    .metadata = {{"team", "a"}},
                                    .display_name = "build (2)",
                                    .num_uses = 3,
                                    .ttl = absl::Hours(1)});
  EXPECT_THAT(entry.policies, ElementsAre("app", "default", "web"));
  EXPECT_EQ(entry.display_name, "token-build-2");
  EXPECT_EQ(entry.parent, "root-id");
  EXPECT_EQ(entry.num_uses, 3);
  EXPECT_EQ(entry.creation_ttl, absl::Hours(1));
  EXPECT_EQ(entry.metadata.at("team"), "a");
  EXPECT_TRUE(entry.renewable);
  EXPECT_FALSE(entry.orphan());
}

TEST(PlanToken, WithoutPoliciesAChildHasThoseOfItsParent) {
  EXPECT_THAT(Planned(Plain(), CreatorRights::kPlain, {}).policies,
              ElementsAre("app", "default", "web"));
  const TokenEntry root = Planned(Root(), CreatorRights::kSudo, {});
  EXPECT_THAT(root.policies, ElementsAre("root"));
  EXPECT_EQ(root.creation_ttl, absl::ZeroDuration());
  EXPECT_FALSE(root.renewable);
}

TEST(PlanToken, DefaultIsLeftOutWhenAskedOrWhenTheParentHasNone) {
  EXPECT_THAT(
      Planned(Plain(), CreatorRights::kPlain, {.policies = {"app"}, .no_default_policy = true})
          .policies,
      ElementsAre("app"));
  TokenEntry bare = Plain();
  bare.policies = {"app"};
  EXPECT_THAT(Planned(bare, CreatorRights::kPlain, {.policies = {"app"}}).policies,
              ElementsAre("app"));
  EXPECT_THAT(Planned(bare, CreatorRights::kSudo, {.policies = {"other"}}).policies,
              ElementsAre("default", "other"));
}

TEST(PlanToken, RefusesInVaultsWords) {
  const auto plain = CreatorRights::kPlain;
  const auto sudo = CreatorRights::kSudo;
  EXPECT_EQ(Refused(Plain(), plain, {.policies = {"other"}}),
            "child policies must be subset of parent");
  EXPECT_EQ(Refused(Plain(), plain, {.id = "mine"}),
            "root or sudo privileges required to specify token id");
  EXPECT_EQ(Refused(Plain(), plain, {.orphan = true}),
            "root or sudo privileges required to create orphan token");
  EXPECT_EQ(Refused(Plain(), plain, {.period = absl::Hours(1)}),
            "root or sudo privileges required to create periodic token");
  EXPECT_EQ(Refused(Plain(), sudo, {.policies = {"root"}}),
            "root tokens may not be created without parent token being root");
  EXPECT_EQ(Refused(Root(), sudo, {.policies = {"control-group"}}),
            "cannot assign policy \"control-group\"");
  EXPECT_EQ(Refused(Root(), sudo, {.type = "other"}), "invalid 'token_type' value");
  EXPECT_EQ(Refused(Root(), sudo, {.type = "batch"}),
            "batch tokens are not supported: create a service token");
  EXPECT_EQ(Refused(Root(), sudo, {.num_uses = -1}), "number of uses cannot be negative");
  EXPECT_EQ(Refused(Root(), sudo, {.ttl = -absl::Seconds(1)}), "ttl must be positive");
  TokenEntry limited = Plain();
  limited.num_uses = 2;
  EXPECT_EQ(Refused(limited, plain, {}), "restricted use token cannot generate child tokens");
  TokenEntry ending = Root();
  ending.expires = kStart + absl::Hours(1);
  EXPECT_EQ(Refused(ending, sudo, {}),
            "expiring root tokens cannot create non-expiring root tokens");
}

TEST(PlanToken, TimesAreCappedWithAWarning) {
  const auto planned =
      PlanToken(Root(), CreatorRights::kSudo, {.policies = {"a"}, .ttl = absl::Hours(1000)});
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->entry.creation_ttl, kMaxTokenTtl);
  EXPECT_THAT(planned->warnings,
              ElementsAre("TTL of \"1000h0m0s\" exceeded the effective max_ttl of \"768h0m0s\"; "
                          "TTL value is capped accordingly"));
  EXPECT_EQ(Planned(Root(), CreatorRights::kSudo,
                    {.policies = {"a"}, .ttl = absl::Hours(2), .explicit_max_ttl = absl::Hours(1)})
                .creation_ttl,
            absl::Hours(1));
  const auto periodic =
      PlanToken(Root(), CreatorRights::kSudo, {.policies = {"a"}, .period = absl::Hours(1000)});
  ASSERT_TRUE(periodic.ok());
  EXPECT_EQ(periodic->entry.creation_ttl, absl::Hours(1000));
  EXPECT_THAT(periodic->warnings, IsEmpty());
}

TEST(PlanRenewal, LastsAsLongAsAskedWithinItsLimits) {
  TokenEntry entry = Plain();
  entry.renewable = true;
  entry.creation_ttl = absl::Hours(2);
  EXPECT_EQ(*PlanRenewal(entry, absl::ZeroDuration(), kStart + absl::Hours(1)), absl::Hours(2));
  EXPECT_EQ(*PlanRenewal(entry, absl::Hours(5), kStart + absl::Hours(1)), absl::Hours(5));
  EXPECT_EQ(*PlanRenewal(entry, absl::Hours(9), kStart + absl::Hours(767)), absl::Hours(1));
  entry.explicit_max_ttl = absl::Hours(3);
  EXPECT_EQ(*PlanRenewal(entry, absl::Hours(9), kStart + absl::Hours(2)), absl::Hours(1));
  EXPECT_EQ(PlanRenewal(entry, absl::Hours(9), kStart + absl::Hours(3)).status(),
            absl::InvalidArgumentError("past the max TTL, cannot renew"));
  entry.explicit_max_ttl = absl::ZeroDuration();
  entry.period = absl::Hours(4);
  EXPECT_EQ(*PlanRenewal(entry, absl::Hours(9), kStart + absl::Hours(5000)), absl::Hours(4));
  entry.renewable = false;
  EXPECT_EQ(PlanRenewal(entry, absl::Hours(9), kStart).status(),
            absl::InvalidArgumentError("lease is not renewable"));
}

}  // namespace
}  // namespace belfry::access
