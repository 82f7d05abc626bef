#include "server/access/authorizer.h"

#include <gtest/gtest.h>

namespace belfry::access {
namespace {

TEST(DevAuthorizer, TheRootTokenMayDoEverything) {
  const auto authorizer = NewDevAuthorizer("hvs.secret");
  const absl::StatusOr<Identity> root = authorizer->Authenticate("hvs.secret");
  ASSERT_TRUE(root.ok());
  EXPECT_TRUE(root->root);
  EXPECT_EQ(root->display_name, "token");
  EXPECT_TRUE(authorizer->Allows(*root, Capability::kDelete, "secret/data/a"));
  EXPECT_TRUE(authorizer->AllowsEvent(*root, "secret/data/a", "kv-v2/data-write"));
}

TEST(DevAuthorizer, NoTokenIsDeniedAndAnotherIsInvalid) {
  const auto authorizer = NewDevAuthorizer("hvs.secret");
  EXPECT_EQ(authorizer->Authenticate("").status(),
            absl::PermissionDeniedError("permission denied"));
  for (const char* token : {"hvs.secre", "hvs.secret ", "HVS.SECRET"}) {
    EXPECT_EQ(authorizer->Authenticate(token).status(), absl::UnauthenticatedError("invalid token"))
        << token;
  }
}

TEST(DevAuthorizer, WhoIsNotRootMayDoNothing) {
  const auto authorizer = NewDevAuthorizer("hvs.secret");
  const Identity nobody;
  EXPECT_FALSE(authorizer->Allows(nobody, Capability::kRead, "secret/data/a"));
  EXPECT_FALSE(authorizer->AllowsEvent(nobody, "secret/data/a", "kv-v2/data-write"));
}

}  // namespace
}  // namespace belfry::access
