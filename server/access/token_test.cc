#include "server/access/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/access/role.h"

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
  EXPECT_EQ(entry.display_name, "token-build--2");
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
  for (const std::vector<std::string>& policies :
       {std::vector<std::string>{"app", "web"}, {"app", "default", "web"}, {}}) {
    EXPECT_THAT(
        Planned(Plain(), CreatorRights::kPlain, {.policies = policies, .no_default_policy = true})
            .policies,
        ElementsAre("app", "web"));
  }
  TokenEntry bare = Plain();
  bare.policies = {"app"};
  EXPECT_THAT(Planned(bare, CreatorRights::kPlain, {.policies = {"app"}}).policies,
              ElementsAre("app"));
  EXPECT_THAT(Planned(bare, CreatorRights::kSudo, {}).policies, ElementsAre("app"));
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
  EXPECT_EQ(Refused(Plain(), plain, {.no_parent = true}),
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
  EXPECT_EQ(Refused(Root(), sudo, {.type = "default-service"}), "invalid 'token_type' value");
  EXPECT_EQ(Refused(Root(), sudo, {.entity_alias = "eve"}),
            "'entity_alias' is only allowed in combination with token role");
  EXPECT_EQ(Refused(Root(), sudo, {.id = "a.b"}), "custom token ID cannot have a '.' in the value");
  EXPECT_EQ(Refused(Root(), sudo, {.num_uses = -1}), "number of uses cannot be negative");
  EXPECT_EQ(Refused(Root(), sudo, {.ttl = -absl::Seconds(1)}), "ttl must be positive");
  TokenEntry limited = Plain();
  for (const int num_uses : {2, -1}) {
    limited.num_uses = num_uses;
    EXPECT_EQ(Refused(limited, plain, {}), "restricted use token cannot generate child tokens");
  }
  TokenEntry ending = Root();
  ending.creation_ttl = absl::Hours(1);
  EXPECT_EQ(Refused(ending, sudo, {}),
            "expiring root tokens cannot create non-expiring root tokens");
}

TEST(PlanToken, TimesAreCappedWithAWarning) {
  const auto planned =
      PlanToken(Root(), CreatorRights::kSudo, {.policies = {"a"}, .ttl = absl::Hours(1000)});
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->entry.creation_ttl, Limits().max_lease_ttl);
  EXPECT_THAT(planned->warnings,
              ElementsAre("TTL of \"1000h\" exceeded the effective max_ttl of \"768h\"; "
                          "TTL value is capped accordingly"));
  EXPECT_EQ(Planned(Root(), CreatorRights::kSudo,
                    {.policies = {"a"}, .ttl = absl::Hours(2), .explicit_max_ttl = absl::Hours(1)})
                .creation_ttl,
            absl::Hours(1));
  const auto periodic =
      PlanToken(Root(), CreatorRights::kSudo, {.policies = {"a"}, .period = absl::Hours(1000)});
  ASSERT_TRUE(periodic.ok());
  EXPECT_EQ(periodic->entry.creation_ttl, Limits().max_lease_ttl);
  EXPECT_EQ(periodic->entry.period, absl::Hours(1000));
  EXPECT_THAT(periodic->warnings,
              ElementsAre("period of \"1000h\" exceeded the effective max_ttl of \"768h\"; "
                          "period value is capped accordingly"));
}

TEST(PlanToken, TheSystemsTimesAreThoseOfTokens) {
  Limits limits;
  limits.default_lease_ttl = absl::Hours(1);
  limits.max_lease_ttl = absl::Hours(3);
  const auto ttl = [&limits](absl::Duration wanted) {
    const auto planned = PlanToken(Root(), CreatorRights::kSudo, {.policies = {"a"}, .ttl = wanted},
                                   nullptr, limits);
    return planned.ok() ? planned->entry.creation_ttl : absl::InfiniteDuration();
  };
  EXPECT_EQ(ttl(absl::ZeroDuration()), absl::Hours(1));
  EXPECT_EQ(ttl(absl::Hours(2)), absl::Hours(2));
  EXPECT_EQ(ttl(absl::Hours(4)), absl::Hours(3));
}

TEST(PlanToken, ARootTokenWithALongestTimeEndsThen) {
  const TokenEntry root =
      Planned(Root(), CreatorRights::kSudo, {.explicit_max_ttl = absl::Hours(1)});
  EXPECT_EQ(root.creation_ttl, absl::Hours(1));
  EXPECT_TRUE(root.renewable);
}

TEST(PlanToken, AtCreateOrphanNobodyNeedsSudo) {
  const TokenEntry entry =
      Planned(Plain(), CreatorRights::kPlain, {.path = "auth/token/create-orphan"});
  EXPECT_TRUE(entry.orphan());
  EXPECT_EQ(entry.path, "auth/token/create-orphan");
}

TokenEntry PlannedWith(const TokenRole& role, const TokenRequest& request = {}) {
  const auto planned = PlanToken(Plain(), CreatorRights::kPlain, request, &role);
  EXPECT_TRUE(planned.ok()) << planned.status();
  return planned.ok() ? planned->entry : TokenEntry{};
}

std::string RefusedWith(const TokenRole& role, const TokenRequest& request = {}) {
  return std::string(PlanToken(Plain(), CreatorRights::kPlain, request, &role).status().message());
}

TEST(PlanToken, ARoleSaysWhichPoliciesWhateverTheCreatorHas) {
  EXPECT_THAT(PlannedWith({.allowed_policies = {"db"}}).policies, ElementsAre("db", "default"));
  EXPECT_THAT(PlannedWith({.allowed_policies = {"db", "queue"}}, {.policies = {"db"}}).policies,
              ElementsAre("db", "default"));
  EXPECT_THAT(PlannedWith({.allowed_policies_glob = {"db-*"}}, {.policies = {"db-a"}}).policies,
              ElementsAre("db-a", "default"));
  EXPECT_THAT(PlannedWith({.disallowed_policies = {"x"}}, {.policies = {"db"}}).policies,
              ElementsAre("db", "default"));
  EXPECT_THAT(PlannedWith({.disallowed_policies = {"default"}}, {.policies = {"db"}}).policies,
              ElementsAre("db"));
  EXPECT_THAT(PlannedWith({.allowed_policies = {"db"}, .no_default_policy = true}).policies,
              ElementsAre("db"));
  EXPECT_EQ(RefusedWith({.allowed_policies = {"db"}}, {.policies = {"app"}}),
            "token policies ([\"app\" \"default\"]) must be subset of the role's allowed "
            "policies ([\"db\" \"default\"]) or glob policies ([])");
  EXPECT_EQ(RefusedWith({.disallowed_policies_glob = {"ap*"}}),
            "token policy \"app\" is disallowed by this role");
  EXPECT_EQ(RefusedWith({.allowed_policies_glob = {"*"}}, {.policies = {"root"}}),
            "root tokens may not be created without parent token being root");
  // One that says nothing about policies leaves it at the creator's.
  EXPECT_EQ(RefusedWith({}, {.policies = {"db"}}), "child policies must be subset of parent");
}

TEST(PlanToken, ARoleBoundsItsTokensAndNamesThem) {
  const TokenRole role{.name = "nightly",
                       .path_suffix = "v2.0",
                       .num_uses = 3,
                       .period = absl::Hours(2),
                       .orphan = true,
                       .renewable = false};
  TokenRequest request;
  request.path = "auth/token/create/nightly";
  const TokenEntry entry = PlannedWith(role, request);
  EXPECT_EQ(entry.role, "nightly");
  EXPECT_EQ(entry.path, "auth/token/create/nightly/v2.0");
  EXPECT_EQ(entry.num_uses, 3);
  EXPECT_EQ(entry.period, absl::Hours(2));
  EXPECT_EQ(entry.creation_ttl, absl::Hours(2));
  EXPECT_TRUE(entry.orphan());
  EXPECT_FALSE(entry.renewable);
  request.num_uses = 9;
  EXPECT_EQ(PlannedWith(role, request).num_uses, 3);
  request.num_uses = 1;
  EXPECT_EQ(PlannedWith(role, request).num_uses, 1);
  EXPECT_EQ(RefusedWith(role, {.entity_alias = "eve"}), "invalid 'entity_alias' value");
}

TEST(PlanToken, OfTwoTimesTheLesserCountsAndIsTold) {
  const TokenRole role{.explicit_max_ttl = absl::Hours(2)};
  const auto planned =
      PlanToken(Plain(), CreatorRights::kPlain, {.explicit_max_ttl = absl::Hours(1)}, &role);
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->entry.explicit_max_ttl, absl::Hours(1));
  EXPECT_THAT(planned->warnings,
              ElementsAre("Explicit max TTL specified both during creation call and in role; using "
                          "the lesser value of 3600 seconds",
                          "TTL of \"768h\" exceeded the effective max_ttl of \"1h\"; TTL value is "
                          "capped accordingly"));
}

absl::Duration Renewed(const TokenEntry& entry, absl::Duration increment, absl::Time now,
                       const TokenRole* role = nullptr) {
  const absl::StatusOr<PlannedRenewal> planned = PlanRenewal(entry, increment, now, role);
  EXPECT_TRUE(planned.ok()) << planned.status();
  return planned.ok() ? planned->ttl : absl::ZeroDuration();
}

TEST(PlanLogin, IsNobodysChildAndHasDefaultUnlessRefused) {
  const absl::StatusOr<PlannedToken> planned = PlanLogin(
      {.path = "auth/up/login/a", .policies = {"Web"}, .display_name = "up-a"}, absl::Hours(2));
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_THAT(planned->entry.policies, ElementsAre("default", "web"));
  EXPECT_TRUE(planned->entry.orphan());
  EXPECT_EQ(planned->entry.display_name, "up-a");
  EXPECT_EQ(planned->entry.creation_ttl, absl::Hours(2));
  const absl::StatusOr<PlannedToken> bare =
      PlanLogin({.no_default_policy = true}, absl::ZeroDuration());
  ASSERT_TRUE(bare.ok()) << bare.status();
  EXPECT_THAT(bare->entry.policies, IsEmpty());
}

TEST(PlanLogin, NothingThatAnEngineSaysMakesRootOrANegativeTime) {
  for (const TokenRequest& request :
       {TokenRequest{.policies = {"root"}}, TokenRequest{.policies = {"a", " ROOT "}},
        TokenRequest{.policies = {"response-wrapping"}}, TokenRequest{.type = "batch"},
        TokenRequest{.num_uses = -1}, TokenRequest{.ttl = -absl::Hours(1)},
        TokenRequest{.period = -absl::Hours(1)},
        TokenRequest{.explicit_max_ttl = -absl::Hours(1)}}) {
    EXPECT_EQ(PlanLogin(request, absl::ZeroDuration()).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(PlanLogin, TheMountsLongestTimeHoldsForRenewalsToo) {
  absl::StatusOr<PlannedToken> planned = PlanLogin({.ttl = absl::Hours(5)}, absl::Hours(2));
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->entry.creation_ttl, absl::Hours(2));
  planned->entry.created = kStart;
  const auto renewed = PlanRenewal(planned->entry, absl::Hours(5), kStart + absl::Minutes(90));
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(renewed->ttl, absl::Minutes(30));
}

TEST(PlanRenewal, LastsAsLongAsAskedWithinItsLimits) {
  TokenEntry entry = Plain();
  entry.renewable = true;
  entry.creation_ttl = absl::Hours(2);
  EXPECT_EQ(Renewed(entry, absl::ZeroDuration(), kStart + absl::Hours(1)), absl::Hours(2));
  EXPECT_EQ(Renewed(entry, absl::Hours(5), kStart + absl::Hours(1)), absl::Hours(5));
  EXPECT_EQ(Renewed(entry, absl::Hours(9), kStart + absl::Hours(767)), absl::Hours(1));
  entry.explicit_max_ttl = absl::Hours(3);
  EXPECT_EQ(Renewed(entry, absl::Hours(9), kStart + absl::Hours(2)), absl::Hours(1));
  EXPECT_EQ(PlanRenewal(entry, absl::Hours(9), kStart + absl::Hours(3)).status(),
            absl::InvalidArgumentError("past the max TTL, cannot renew"));
  entry.explicit_max_ttl = absl::ZeroDuration();
  entry.period = absl::Hours(4);
  EXPECT_EQ(Renewed(entry, absl::Hours(9), kStart + absl::Hours(5000)), absl::Hours(4));
  entry.renewable = false;
  EXPECT_EQ(PlanRenewal(entry, absl::Hours(9), kStart).status(),
            absl::InvalidArgumentError("lease is not renewable"));
}

TEST(PlanRenewal, SaysWhatItCuts) {
  TokenEntry entry = Plain();
  entry.renewable = true;
  const auto planned = PlanRenewal(entry, absl::Hours(9), kStart + absl::Hours(767));
  ASSERT_TRUE(planned.ok());
  EXPECT_THAT(planned->warnings,
              ElementsAre("TTL of \"9h\" exceeded the effective max_ttl of \"1h\"; TTL value is "
                          "capped accordingly"));
}

TEST(PlanRenewal, FollowsTheRoleAsItIsNow) {
  TokenEntry entry = Plain();
  entry.renewable = true;
  entry.creation_ttl = entry.period = absl::Hours(4);
  TokenRole role{.period = absl::Hours(1)};
  EXPECT_EQ(Renewed(entry, absl::Hours(9), kStart + absl::Hours(2000), &role), absl::Hours(1));
  role = {.explicit_max_ttl = absl::Hours(3)};
  EXPECT_EQ(Renewed(entry, absl::Hours(9), kStart + absl::Hours(2), &role), absl::Hours(1));
  entry.explicit_max_ttl = absl::Hours(2);
  EXPECT_FALSE(PlanRenewal(entry, absl::Hours(9), kStart + absl::Hours(2), &role).ok());
}

}  // namespace
}  // namespace belfry::access
