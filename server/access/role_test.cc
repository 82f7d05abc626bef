#include "server/access/role.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/access/role_store.h"
#include "server/storage/committer.h"

namespace belfry::access {
namespace {

using ::testing::ElementsAre;

std::string Refused(TokenRole role) {
  const absl::Status status = CheckRole(&role);
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(TokenRole, IsNamedByWordsWithDotsAndDashesBetween) {
  for (const char* name : {"a", "nightly", "v1.2", "a_b-c", "9"}) EXPECT_TRUE(IsRoleName(name));
  for (const char* name : {"", "-a", "a.", "a/b", "a b", "\xc3\xa4"}) {
    EXPECT_FALSE(IsRoleName(name)) << name;
  }
}

TEST(TokenRole, RefusesInVaultsWordsWhatNoneMaySay) {
  EXPECT_EQ(Refused({}), "");
  EXPECT_EQ(Refused({.path_suffix = "v2.0"}), "");
  for (const char* suffix : {"v1", "a/b", "..."}) {
    EXPECT_EQ(Refused({.path_suffix = suffix}),
              "given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w");
  }
  EXPECT_EQ(Refused({.path_suffix = "abc..d"}),
            "error registering path suffix: path cannot contain parent references");
  EXPECT_EQ(Refused({.token_type = "other"}), "invalid 'token_type' value \"other\"");
  EXPECT_EQ(Refused({.token_type = "batch"}),
            "batch tokens are not supported: set token_type to service");
  EXPECT_EQ(Refused({.num_uses = -1}),
            "error parsing role fields: 'token_num_uses' cannot be negative");
}

TEST(RoleStore, KeepsARoleAsItWasGivenWithItsNamesInOrder) {
  const std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage();
  RoleStore store(storage.get());
  const TokenRole role{.name = "nightly",
                       .allowed_policies = {"Web", " app", "web"},
                       .disallowed_policies = {"root", "X"},
                       .allowed_policies_glob = {"a*"},
                       .disallowed_policies_glob = {"b*"},
                       .path_suffix = "v2.0",
                       .token_type = "service",
                       .num_uses = 3,
                       .period = absl::Hours(2),
                       .explicit_max_ttl = absl::Hours(3),
                       .old_period = absl::Hours(4),
                       .old_explicit_max_ttl = absl::Hours(5),
                       .orphan = true,
                       .renewable = false,
                       .no_default_policy = true};
  ASSERT_EQ(store.Put(role), absl::OkStatus());
  ASSERT_EQ(store.Put({.name = "daily"}), absl::OkStatus());
  EXPECT_THAT(*store.Names(), ElementsAre("daily", "nightly"));
  const auto found = store.Find("nightly");
  ASSERT_TRUE(found.ok() && found->has_value());
  TokenRole expected = role;
  ASSERT_EQ(CheckRole(&expected), absl::OkStatus());
  EXPECT_EQ(RoleToBytes(**found), RoleToBytes(expected));
  EXPECT_THAT((*found)->allowed_policies, ElementsAre("app", "web"));
  EXPECT_THAT((*found)->disallowed_policies, ElementsAre("root", "x"));
  ASSERT_EQ(store.Delete("nightly"), absl::OkStatus());
  EXPECT_EQ(*store.Find("nightly"), std::nullopt);
  EXPECT_EQ(store.Delete("nightly"), absl::OkStatus());
}

TEST(RoleStore, SaysWhenARoleCannotBeRead) {
  const std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage();
  ASSERT_EQ(storage::Put(*storage, "x", "{}"), absl::OkStatus());
  EXPECT_EQ(RoleStore(storage.get()).Find("x").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace belfry::access
