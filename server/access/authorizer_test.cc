#include "server/access/authorizer.h"
#include "server/storage/committer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class AuthorizerTest : public ::testing::Test {
 protected:
  AuthorizerTest() {
    EXPECT_TRUE(tokens_->CreateRoot("root").ok());
    Write("app",
          "path \"secret/data/*\" { capabilities = [\"read\", \"subscribe\"]\n"
          "subscribe_event_types = [\"kv-v2/data-*\"] }");
  }

  void Write(std::string_view name, std::string_view text) {
    EXPECT_EQ(policies_->Put(name, text), absl::OkStatus());
  }
  Identity Create(TokenRequest request = {}) {
    request.policies = {"app"};
    const TokenEntry root = tokens_->Find("root")->entry;
    auto planned = PlanToken(root, CreatorRights::kSudo, request);
    EXPECT_TRUE(planned.ok() && tokens_->Create(&*planned).ok());
    secret_ = planned->secret;
    return *authorizer_->Authenticate(secret_);
  }

  const std::unique_ptr<storage::Storage> policy_storage_ = storage::NewInMemoryStorage();
  const std::unique_ptr<storage::Storage> token_storage_ = storage::NewInMemoryStorage();
  FakeClock clock_{absl::FromUnixSeconds(1'795'413'461)};
  const std::unique_ptr<PolicyStore> policies_ = *PolicyStore::Open(policy_storage_.get());
  const std::unique_ptr<TokenStore> tokens_ = *TokenStore::Open(token_storage_.get(), &clock_);
  const std::unique_ptr<Authorizer> authorizer_ =
      NewAuthorizer(policies_.get(), tokens_.get(), &clock_);
  std::string secret_;  // Of the last token.
};

TEST_F(AuthorizerTest, TheRootTokenMayDoEverything) {
  const absl::StatusOr<Identity> root = authorizer_->Authenticate("root");
  ASSERT_TRUE(root.ok());
  EXPECT_TRUE(root->root);
  EXPECT_EQ(root->display_name, "token");
  EXPECT_THAT(root->policies, ElementsAre("root"));
  EXPECT_TRUE(authorizer_->Allows(*root, Capability::kDelete, "secret/data/a"));
  EXPECT_TRUE(authorizer_->AllowsEvent(*root, "", "kv-v2/data-write"));
  EXPECT_TRUE(authorizer_->EventAuthorizerOf(*root)->Allows("", "kv-v2/data-write"));
}

TEST_F(AuthorizerTest, NoTokenIsDeniedAndAnotherIsInvalid) {
  EXPECT_EQ(authorizer_->Authenticate("").status(),
            absl::PermissionDeniedError("permission denied"));
  EXPECT_EQ(authorizer_->AuthenticateRequest("").status(),
            absl::PermissionDeniedError("permission denied"));
  for (const char* token : {"roo", "root ", "ROOT"}) {
    EXPECT_EQ(authorizer_->Authenticate(token).status(),
              absl::UnauthenticatedError("invalid token"));
    EXPECT_EQ(authorizer_->AuthenticateRequest(token).status(),
              absl::UnauthenticatedError("invalid token"));
  }
}

TEST_F(AuthorizerTest, APolicyDecidesAboutRequestsAndEvents) {
  const Identity app = Create();
  EXPECT_TRUE(authorizer_->Allows(app, Capability::kRead, "secret/data/a"));
  EXPECT_FALSE(authorizer_->Allows(app, Capability::kUpdate, "secret/data/a"));
  EXPECT_TRUE(authorizer_->Allows(app, Capability::kRead, "auth/token/lookup-self"));
  EXPECT_TRUE(authorizer_->AllowsEvent(app, "secret/data/a", "kv-v2/data-write"));
  EXPECT_FALSE(authorizer_->AllowsEvent(app, "secret/data/a", "kv-v2/metadata-write"));
}

TEST_F(AuthorizerTest, APolicyChangeHoldsFromTheNextRefreshOn) {
  const auto event_authorizer = authorizer_->EventAuthorizerOf(Create());
  const std::uint64_t first = event_authorizer->Refresh();
  EXPECT_TRUE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  EXPECT_EQ(event_authorizer->Refresh(), first);
  EXPECT_TRUE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  Write("app", "path \"secret/data/a\" { capabilities = [\"deny\"] }");
  EXPECT_TRUE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  const std::uint64_t second = event_authorizer->Refresh();
  EXPECT_NE(second, first);
  EXPECT_FALSE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  Write(
      "app",
      "path \"secret/data/a\" { capabilities = [\"subscribe\"] subscribe_event_types = [\"*\"] }");
  EXPECT_NE(event_authorizer->Refresh(), second);
  EXPECT_TRUE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  ASSERT_EQ(policies_->Delete("app"), absl::OkStatus());
  event_authorizer->Refresh();
  EXPECT_FALSE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
}

TEST_F(AuthorizerTest, NoPolicyChangesWhatRootMaySee) {
  const auto event_authorizer = authorizer_->EventAuthorizerOf(*authorizer_->Authenticate("root"));
  const std::uint64_t first = event_authorizer->Refresh();
  Write("app", "path \"secret/data/a\" { capabilities = [\"deny\"] }");
  EXPECT_EQ(event_authorizer->Refresh(), first);
  EXPECT_TRUE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  ASSERT_EQ(tokens_->Revoke(tokens_->Find("root")->entry.id), absl::OkStatus());
  EXPECT_NE(event_authorizer->Refresh(), first);
  EXPECT_FALSE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
}

TEST_F(AuthorizerTest, AnEndedTokenSeesNothingAndItsWatcherHearsWhy) {
  std::vector<std::string> reasons;
  const auto hear = [&reasons](std::string_view reason) { reasons.emplace_back(reason); };
  const Identity revoked = Create();
  const auto event_authorizer = authorizer_->EventAuthorizerOf(revoked);
  const auto watch = authorizer_->Watch(revoked, hear);
  ASSERT_EQ(tokens_->Revoke(revoked.token_id), absl::OkStatus());
  EXPECT_THAT(reasons, ElementsAre("token revoked"));
  event_authorizer->Refresh();
  EXPECT_FALSE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  EXPECT_FALSE(authorizer_->AllowsEvent(revoked, "secret/data/a", "kv-v2/data-write"));
  EXPECT_EQ(authorizer_->Watch(revoked, hear), nullptr);
}

TEST_F(AuthorizerTest, AnExpiredTokenSeesNothingThoughNobodyHasLookedYet) {
  const Identity app = Create({.ttl = absl::Minutes(1)});
  const auto event_authorizer = authorizer_->EventAuthorizerOf(app);
  EXPECT_TRUE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  clock_.Advance(absl::Minutes(1));
  event_authorizer->Refresh();
  EXPECT_FALSE(event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  EXPECT_FALSE(authorizer_->AllowsEvent(app, "secret/data/a", "kv-v2/data-write"));
}

TEST_F(AuthorizerTest, OnlyRequestsSpendUses) {
  Create({.num_uses = 1});
  EXPECT_TRUE(authorizer_->Authenticate(secret_).ok());
  EXPECT_TRUE(authorizer_->Authenticate(secret_).ok());
  const absl::StatusOr<Identity> last = authorizer_->AuthenticateRequest(secret_);
  ASSERT_TRUE(last.ok());
  EXPECT_TRUE(last->life->used_up());
  EXPECT_TRUE(authorizer_->Allows(*last, Capability::kRead, "secret/data/a"));
  EXPECT_FALSE(authorizer_->Authenticate(secret_).ok());
  EXPECT_TRUE(last->life->Lasts(clock_.Now()));
  EXPECT_TRUE(last->limited);
  EXPECT_TRUE(authorizer_->FinishUse(*last));
  EXPECT_EQ(authorizer_->EndUsedUp(*last), absl::OkStatus());
  EXPECT_FALSE(last->life->Lasts(clock_.Now()));
}

TEST_F(AuthorizerTest, SaysWhatAnIdentityMayDoSomewhere) {
  const auto app = authorizer_->RulesOf(Create());
  EXPECT_THAT(app->CapabilitiesOn("secret/data/a"), ElementsAre("read", "subscribe"));
  EXPECT_THAT(app->CapabilitiesOn("secret/metadata/a"), ElementsAre("deny"));
  EXPECT_TRUE(app->ReachesInto("secret/"));
  EXPECT_FALSE(app->ReachesInto("other/"));
  const auto root = authorizer_->RulesOf(*authorizer_->Authenticate("root"));
  EXPECT_THAT(root->CapabilitiesOn("secret/data/a"), ElementsAre("root"));
  EXPECT_TRUE(root->root());
}

}  // namespace
}  // namespace belfry::access
