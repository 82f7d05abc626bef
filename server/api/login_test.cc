#include "server/api/login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "server/api/fakes.h"

namespace belfry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

boost::json::object ObjectOf(const HttpResponse& response) {
  return boost::json::parse(response.body).as_object();
}

// An auth mount at auth/up/, whose engine grants alice a token at login/alice.
class LoginTest : public ::testing::Test {
 protected:
  LoginTest() {
    mounts::MountEntry entry;
    entry.mount_class = mounts::MountClass::kAuth;
    entry.path = "auth/up/";
    entry.type = "userpass";
    entry.accessor = "auth_userpass_1";
    entry.default_lease_ttl = absl::Hours(1);
    entry.max_lease_ttl = absl::Hours(2);
    logins_ = fixture_.mounts.Add(std::move(entry));
    auto special = std::make_shared<mounts::SpecialPaths>();
    special->unauthenticated = mounts::PathSet({"login/*"});
    logins_->special = special;
    Grant({.policies = {"app"},
           .metadata = {{"username", "alice"}},
           .display_name = "alice",
           .ttl = absl::Minutes(10),
           .renewable = true});
  }

  void Grant(mounts::LoginGrant grant) {
    mounts::Response response;
    response.grant = std::move(grant);
    logins_->reply = mounts::Reply{.response = std::move(response)};
  }
  HttpResponse LogIn() {
    HttpRequest request = AsRoot("POST", "/v1/auth/up/login/alice", R"({"password":"p"})");
    std::erase_if(request.headers,
                  [](const auto& header) { return header.first == "X-Vault-Token"; });
    return fixture_.Send(std::move(request));
  }
  access::TokenEntry Granted(const HttpResponse& response) {
    const auto token = fixture_.tokens.store->Find(
        boost::json::value_to<std::string>(ObjectOf(response).at("auth").at("client_token")));
    EXPECT_NE(token, nullptr);
    return token == nullptr ? access::TokenEntry() : token->entry;
  }

  ApiFixture fixture_{Access::kReal};
  FakeEngine* logins_;
};

TEST_F(LoginTest, WhoLogsInGetsTheTokenThatTheEngineGrants) {
  const HttpResponse response = LogIn();
  ASSERT_EQ(response.status, 200) << response.body;
  const boost::json::object answer = ObjectOf(response);
  EXPECT_TRUE(answer.at("data").is_null());
  EXPECT_EQ(answer.at("mount_type"), "");
  const boost::json::object& auth = answer.at("auth").as_object();
  EXPECT_EQ(auth.at("lease_duration"), 600);
  EXPECT_EQ(auth.at("renewable"), true);
  EXPECT_EQ(auth.at("orphan"), true);
  EXPECT_EQ(auth.at("metadata"), boost::json::parse(R"({"username":"alice"})"));
  const access::TokenEntry token = Granted(response);
  EXPECT_THAT(token.policies, ElementsAre("app", "default"));
  EXPECT_EQ(token.display_name, "up-alice");
  EXPECT_EQ(token.path, "auth/up/login/alice");
  EXPECT_EQ(token.max_ttl, absl::Hours(2));
}

TEST_F(LoginTest, AGrantWithoutTimesHasThoseOfTheMount) {
  Grant({.policies = {"app"}});
  EXPECT_EQ(Granted(LogIn()).creation_ttl, absl::Hours(1));
}

TEST_F(LoginTest, AnAuthMethodCannotGrantRoot) {
  Grant({.policies = {"root"}});
  const HttpResponse response = LogIn();
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("auth methods cannot create root tokens"));
}

TEST_F(LoginTest, ATokenForSomeAddressesIsNotGrantedToAll) {
  Grant({.policies = {"app"}, .bound_cidrs = {"10.0.0.0/8"}});
  const HttpResponse response = LogIn();
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, HasSubstr("bound_cidrs"));
}

TEST_F(LoginTest, NoSecretsPluginCanGrantAToken) {
  mounts::Response response;
  response.grant = mounts::LoginGrant{.policies = {"app"}};
  fixture_.engine->reply = mounts::Reply{.response = std::move(response)};
  const std::size_t before = fixture_.tokens.store->Accessors().size();
  const HttpResponse answer = fixture_.Send(AsRoot("GET", "/v1/secret/data/a"));
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("only an auth method may"));
  EXPECT_EQ(fixture_.tokens.store->Accessors().size(), before);
}

TEST_F(LoginTest, WhatIsNotALoginNeedsAToken) {
  HttpRequest request = AsRoot("GET", "/v1/auth/up/users/alice");
  request.headers = {{"Host", "127.0.0.1:8200"}};
  EXPECT_EQ(fixture_.Send(std::move(request)).status, 403);
  EXPECT_TRUE(logins_->handled.empty());
}

TEST_F(LoginTest, TheEndOfAnAuthMountEndsTheTokensThatItHasGranted) {
  const std::string secret =
      boost::json::value_to<std::string>(ObjectOf(LogIn()).at("auth").at("client_token"));
  EXPECT_EQ(fixture_.Send(AsRoot("DELETE", "/v1/sys/auth/up")).status, 204);
  EXPECT_THAT(fixture_.mounts.disabled, ElementsAre("auth/up/"));
  EXPECT_EQ(fixture_.tokens.store->Find(secret), nullptr);
  EXPECT_NE(fixture_.tokens.store->Find("root"), nullptr);
}

TEST_F(LoginTest, TheEndOfNoMountEndsNoTokensOfThoseBelow) {
  mounts::MountEntry entry;
  entry.mount_class = mounts::MountClass::kAuth;
  entry.path = "auth/team/ldap/";
  fixture_.mounts.Add(std::move(entry));
  absl::StatusOr<access::PlannedToken> planned = access::PlanLogin(
      {.path = "auth/team/ldap/login/bob", .policies = {"app"}}, absl::ZeroDuration());
  ASSERT_TRUE(planned.ok() && fixture_.tokens.store->Create(&*planned).ok());
  EXPECT_EQ(fixture_.Send(AsRoot("DELETE", "/v1/sys/auth/team")).status, 204);
  EXPECT_NE(fixture_.tokens.store->Find(planned->secret), nullptr);
}

TEST_F(LoginTest, AuthMountsAreListedApartFromSecretsMounts) {
  const boost::json::object methods =
      ObjectOf(fixture_.Send(AsRoot("GET", "/v1/sys/auth"))).at("data").as_object();
  EXPECT_EQ(methods.at("up/").at("accessor"), "auth_userpass_1");
  EXPECT_EQ(methods.at("up/").at("config").at("token_type"), "default-service");
  EXPECT_FALSE(methods.contains("secret/"));
  const boost::json::object mounts =
      ObjectOf(fixture_.Send(AsRoot("GET", "/v1/sys/mounts"))).at("data").as_object();
  EXPECT_TRUE(mounts.contains("secret/"));
  EXPECT_FALSE(mounts.contains("auth/up/"));
}

TEST_F(LoginTest, AnAuthMountIsEnabledAndReadBelowSysAuthOnly) {
  EXPECT_EQ(fixture_.Send(AsRoot("POST", "/v1/sys/auth/ldap", R"({"type":"ldap"})")).status, 204);
  ASSERT_EQ(fixture_.mounts.enabled.size(), 1U);
  EXPECT_EQ(fixture_.mounts.enabled[0].mount_class, mounts::MountClass::kAuth);
  EXPECT_EQ(fixture_.mounts.enabled[0].path, "auth/ldap/");
  EXPECT_EQ(fixture_.Send(AsRoot("GET", "/v1/sys/auth/up")).status, 200);
  EXPECT_EQ(fixture_.Send(AsRoot("GET", "/v1/sys/mounts/auth/up")).status, 400);
  // Vault's CLI tunes an auth mount there.
  EXPECT_EQ(fixture_.Send(AsRoot("GET", "/v1/sys/mounts/auth/up/tune")).status, 200);
  EXPECT_EQ(fixture_.Send(AsRoot("DELETE", "/v1/sys/auth/token")).status, 400);
}

}  // namespace
}  // namespace belfry::api
