// auth/token and cubbyhole/, on the real policies and tokens.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "server/api/fakes.h"

namespace belfry::api {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kDenied[] = "1 error occurred:\n\t* permission denied\n\n";
constexpr char kInvalid[] = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";

class TokenEndpointsTest : public ::testing::Test {
 protected:
  HttpResponse Send(std::string method, const std::string& path, std::string body = "",
                    std::string token = "root") {
    HttpRequest request = AsRoot(std::move(method), "/v1/" + path, std::move(body));
    request.headers = {{"X-Vault-Token", std::move(token)}};
    return fixture_.Send(std::move(request));
  }
  json::value Json(const HttpResponse& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body.empty() ? json::value() : json::parse(answer.body);
  }
  static std::string Error(const HttpResponse& answer) {
    const json::value body = json::parse(answer.body);
    return std::to_string(answer.status) + " " +
           std::string(body.at("errors").as_array().at(0).as_string());
  }
  void WritePolicy(std::string_view name, std::string_view text) {
    ASSERT_EQ(fixture_.policies.store->Put(name, text), absl::OkStatus());
  }
  // The auth block of a new token.
  json::value Create(std::string body, std::string token = "root",
                     const std::string& path = "auth/token/create") {
    return Json(Send("POST", path, std::move(body), std::move(token))).at("auth");
  }
  std::string Secret(std::string body, std::string token = "root") {
    return Text(Create(std::move(body), std::move(token)), "client_token");
  }
  static std::string Text(const json::value& object, std::string_view name) {
    return std::string(object.at(json::string_view(name.data(), name.size())).as_string());
  }
  json::value LookUp(const std::string& token) {
    return Json(Send("GET", "auth/token/lookup-self", "", token)).at("data");
  }
  std::string WithToken(const std::string& token) { return R"({"token":")" + token + "\"}"; }
  std::string WithAccessor(const std::string& accessor) {
    return R"({"accessor":")" + accessor + "\"}";
  }
  bool Lasts(const std::string& token) {
    return Send("GET", "auth/token/lookup-self", "", token).status == 200;
  }

  ApiFixture fixture_{Access::kReal};
};

TEST_F(TokenEndpointsTest, ANewTokenComesInVaultsAuthBlock) {
  WritePolicy("app", "path \"a\" {}");
  const HttpResponse answer = Send(
      "POST", "auth/token/create",
      R"({"policies":["app"],"ttl":"1h0m0s","explicit_max_ttl":"0s","period":"0s",)"
      R"("display_name":"","num_uses":0,"renewable":true,"type":"service","entity_alias":""})");
  EXPECT_EQ(answer.status, 200);
  const json::value auth = json::parse(answer.body).at("auth");
  EXPECT_THAT(Text(auth, "client_token"), StartsWith("hvs."));
  const std::string expected = R"({"client_token":")" + Text(auth, "client_token") +
                               R"(","accessor":")" + Text(auth, "accessor") +
                               R"(","policies":["app","default"],"token_policies":["app",)"
                               R"("default"],"metadata":null,"lease_duration":3600,)"
                               R"("renewable":true,"entity_id":"","token_type":"service",)"
                               R"("orphan":false,"mfa_requirement":null,"num_uses":0},)"
                               R"("mount_type":"token"})";
  EXPECT_THAT(answer.body,
              HasSubstr(R"("data":null,"wrap_info":null,"warnings":null,"auth":)" + expected));
}

TEST_F(TokenEndpointsTest, EachThingThatWasAskedForIsInTheLookUp) {
  const std::string secret = Secret(
      R"({"policies":["app"],"lease":"30m","explicit_max_ttl":7200,"period":"20m",)"
      R"("display_name":"build","num_uses":"5","renewable":"false","meta":{"team":"a","n":1}})");
  fixture_.clock.Advance(absl::Milliseconds(1400));
  const std::string body = Send("POST", "auth/token/lookup", WithToken(secret)).body;
  const std::string accessor = Text(json::parse(body).at("data"), "accessor");
  EXPECT_THAT(
      body,
      HasSubstr(R"("data":{"accessor":")" + accessor +
                R"(","creation_time":1795413511,"creation_ttl":1200,"display_name":"token-build",)"
                R"("entity_id":"","expire_time":"2026-11-23T06:18:31Z","explicit_max_ttl":7200,)"
                R"("id":")" +
                secret +
                R"(","issue_time":"2026-11-23T05:58:31Z","meta":{"n":"1","team":"a"},"num_uses":5,)"
                R"("orphan":false,"path":"auth/token/create","period":1200,)"
                R"("policies":["app","default"],"renewable":false,"ttl":1199,"type":"service"})"));
  EXPECT_THAT(body, HasSubstr(R"("mount_type":"token"})"));
}

TEST_F(TokenEndpointsTest, AMistypedFieldIsAnsweredWithAWarning) {
  const json::value answer =
      Json(Send("PUT", "auth/token/create", R"({"policy":["app"],"Ttl":"1h","ttl":"1h"})"));
  EXPECT_THAT(json::serialize(answer.at("warnings")),
              HasSubstr("Endpoint ignored these unrecognized parameters: [Ttl policy]"));
}

TEST_F(TokenEndpointsTest, APolicyThatDoesNotExistIsToldOf) {
  const json::value answer =
      Json(Send("PUT", "auth/token/create", R"({"policies":"nope","ttl":"1000h"})"));
  EXPECT_EQ(json::serialize(answer.at("warnings")),
            R"(["TTL of \"1000h\" exceeded the effective max_ttl of \"768h\"; TTL value is capped )"
            R"(accordingly","Policy \"nope\" does not exist"])");
}

TEST_F(TokenEndpointsTest, WhatTheCreatorMayNotGiveIsRefused) {
  WritePolicy("maker", "path \"auth/token/create*\" { capabilities = [\"update\"] }");
  const std::string maker = Secret(R"({"policies":["maker"]})");
  const auto refused = [&](std::string body) {
    return Error(Send("POST", "auth/token/create", std::move(body), maker));
  };
  EXPECT_EQ(refused(R"({"policies":["other"]})"), "400 child policies must be subset of parent");
  EXPECT_EQ(refused(R"({"id":"mine"})"),
            "400 root or sudo privileges required to specify token id");
  EXPECT_EQ(refused(R"({"no_parent":true})"),
            "400 root or sudo privileges required to create orphan token");
  EXPECT_EQ(refused(R"({"period":"1h"})"),
            "400 root or sudo privileges required to create periodic token");
  EXPECT_EQ(refused(R"({"type":"batch"})"),
            "400 batch tokens are not supported: create a service token");
  EXPECT_EQ(refused(R"({"ttl":"soon"})"),
            "400 Field validation failed: error converting input for field \"ttl\": expected a "
            "duration, in seconds or such as \"1h30m\", got a string that is not one");
  EXPECT_EQ(refused(R"({"ttl":"-1s"})"), "400 ttl must be positive");
  EXPECT_THAT(refused(R"({"num_uses":"many"})"),
              StartsWith("400 Field validation failed: error converting input for field "
                         "\"num_uses\": "));
  EXPECT_EQ(json::serialize(Create("{}", maker).at("policies")), R"(["default","maker"])");
  const json::value orphan = Create("{}", maker, "auth/token/create-orphan");
  EXPECT_EQ(orphan.at("orphan"), true);
  EXPECT_EQ(Text(LookUp(Text(orphan, "client_token")), "path"), "auth/token/create-orphan");
  // Who may not create at all is told nothing else.
  const std::string child = Secret(R"({"policies":["default"]})");
  EXPECT_EQ(Error(Send("POST", "auth/token/create", R"({"type":"batch"})", child)),
            std::string("403 ") + kDenied);
}

TEST_F(TokenEndpointsTest, SudoOnThePathMayGiveEverythingButRoot) {
  WritePolicy("maker", "path \"auth/token/create\" { capabilities = [\"update\", \"sudo\"] }");
  const std::string maker = Secret(R"({"policies":["maker"]})");
  EXPECT_EQ(Secret(R"({"policies":["other"],"id":"mine","no_parent":true,"period":"1h"})", maker),
            "mine");
  EXPECT_EQ(LookUp("mine").at("orphan"), true);
  EXPECT_EQ(Error(Send("POST", "auth/token/create", R"({"policies":["root"]})", maker)),
            "400 root tokens may not be created without parent token being root");
  EXPECT_EQ(Error(Send("POST", "auth/token/create", R"({"id":"mine"})")),
            "400 cannot create a token with a duplicate ID");
}

TEST_F(TokenEndpointsTest, WithARoleATokenHasWhatTheRoleSays) {
  EXPECT_EQ(Error(Send("POST", "auth/token/create/nightly", "{}")), "400 unknown role nightly");
  ASSERT_EQ(
      Send("POST", "auth/token/roles/nightly",
           R"({"allowed_policies":"db","token_period":"2h","path_suffix":"v2.0","orphan":true})")
          .status,
      204);
  WritePolicy("maker", "path \"auth/token/create/*\" { capabilities = [\"update\"] }");
  const std::string maker = Secret(R"({"policies":["maker"]})");
  const json::value auth = Create("{}", maker, "auth/token/create/nightly");
  EXPECT_EQ(json::serialize(auth.at("policies")), R"(["db","default"])");
  EXPECT_EQ(auth.at("lease_duration"), 7200);
  const std::string secret = Text(auth, "client_token");
  EXPECT_EQ(Text(LookUp(secret), "role"), "nightly");
  EXPECT_EQ(Text(LookUp(secret), "path"), "auth/token/create/nightly/v2.0");
  // A renewal follows the role, until that is gone.
  ASSERT_EQ(Send("POST", "auth/token/roles/nightly", R"({"token_period":"1h"})").status, 204);
  EXPECT_EQ(
      Json(Send("PUT", "auth/token/renew-self", "{}", secret)).at("auth").at("lease_duration"),
      3600);
  ASSERT_EQ(Send("DELETE", "auth/token/roles/nightly").status, 204);
  EXPECT_EQ(Error(Send("PUT", "auth/token/renew-self", "{}", secret)),
            "400 original token role \"nightly\" could not be found, not renewing");
  EXPECT_EQ(Send("POST", "auth/token/create/a/b", "{}").status, 404);
}

TEST_F(TokenEndpointsTest, LooksUpByTokenByAccessorAndTheOneThatAsks) {
  const json::value auth = Create(R"({"policies":["a"]})");
  const std::string secret = Text(auth, "client_token");
  const std::string accessor = Text(auth, "accessor");
  const json::value by_token = Json(Send("PUT", "auth/token/lookup", WithToken(secret))).at("data");
  EXPECT_EQ(Text(by_token, "accessor"), accessor);
  for (const char* method : {"GET", "POST"}) {
    for (const char* path : {"auth/token/lookup", "auth/token/lookup-self"}) {
      EXPECT_EQ(Text(Json(Send(method, path)).at("data"), "id"), "root") << method << path;
    }
  }
  const json::value by_accessor =
      Json(Send("POST", "auth/token/lookup-accessor", WithAccessor(accessor))).at("data");
  EXPECT_EQ(Text(by_accessor, "id"), "");
  EXPECT_EQ(Text(by_accessor, "accessor"), accessor);
  EXPECT_EQ(Error(Send("POST", "auth/token/lookup", WithToken("hvs.no"))), "403 bad token");
  EXPECT_EQ(Error(Send("POST", "auth/token/lookup-accessor", WithAccessor("no"))),
            "400 1 error occurred:\n\t* invalid accessor\n\n");
  EXPECT_EQ(Error(Send("POST", "auth/token/lookup-accessor", "{}")),
            "400 1 error occurred:\n\t* missing accessor\n\n");
}

TEST_F(TokenEndpointsTest, RenewsByTokenByAccessorAndTheOneThatAsks) {
  const json::value auth = Create(R"({"policies":["a"],"ttl":"1h"})");
  const std::string secret = Text(auth, "client_token");
  fixture_.clock.Advance(absl::Minutes(50));
  const json::value self =
      Json(Send("PUT", "auth/token/renew-self", R"({"increment":0})", secret)).at("auth");
  EXPECT_EQ(self.at("lease_duration"), 3600);
  EXPECT_EQ(Text(self, "client_token"), secret);
  const json::value named =
      Json(Send("PUT", "auth/token/renew", R"({"token":")" + secret + R"(","increment":"2h"})"))
          .at("auth");
  EXPECT_EQ(named.at("lease_duration"), 7200);
  const json::value by_accessor =
      Json(Send("PUT", "auth/token/renew-accessor",
                R"({"accessor":")" + Text(auth, "accessor") + R"(","increment":60})"))
          .at("auth");
  EXPECT_EQ(by_accessor.at("lease_duration"), 60);
  EXPECT_EQ(Text(by_accessor, "client_token"), "");
  EXPECT_EQ(LookUp(secret).at("last_renewal_time"), 1795413511 + 3000);
  EXPECT_EQ(Text(LookUp(secret), "last_renewal"), "2026-11-23T06:48:31Z");
  const auto capped =
      Json(Send("PUT", "auth/token/renew-self", R"({"increment":"1000h"})", secret));
  EXPECT_THAT(json::serialize(capped.at("warnings")), HasSubstr("TTL value is capped accordingly"));
  fixture_.clock.Advance(absl::Hours(768));
  EXPECT_FALSE(Lasts(secret));
}

TEST_F(TokenEndpointsTest, RefusesToRenewWhatCannotBe) {
  EXPECT_EQ(Error(Send("PUT", "auth/token/renew-self", "{}")), "400 lease is not renewable");
  EXPECT_EQ(Error(Send("PUT", "auth/token/renew", "{}")), "400 missing token ID");
  EXPECT_EQ(Error(Send("PUT", "auth/token/renew", WithToken("hvs.no"))), "400 token not found");
  EXPECT_EQ(Error(Send("PUT", "auth/token/renew-self", R"({"increment":-5})")),
            "400 Field validation failed: error converting input for field \"increment\": cannot "
            "provide negative value '-5'");
  EXPECT_EQ(Error(Send("PUT", "auth/token/renew-accessor", WithAccessor("no"))),
            "400 1 error occurred:\n\t* invalid accessor\n\n");
}

TEST_F(TokenEndpointsTest, ARevocationTakesTheChildrenAndMayBeRepeated) {
  const std::string parent = Secret(R"({"policies":["root"]})");
  const std::string child = Secret(R"({"policies":["a"]})", parent);
  EXPECT_EQ(Send("PUT", "auth/token/revoke", WithToken(parent)).status, 204);
  EXPECT_EQ(Error(Send("GET", "auth/token/lookup-self", "", child)),
            std::string("403 ") + kInvalid);
  EXPECT_FALSE(Lasts(parent));
  EXPECT_EQ(Send("PUT", "auth/token/revoke", WithToken(parent)).status, 204);
  EXPECT_EQ(Error(Send("PUT", "auth/token/revoke", "{}")), "400 missing token ID");
  const std::string self = Secret(R"({"policies":["a"]})");
  EXPECT_EQ(Send("PUT", "auth/token/revoke-self", "", self).status, 204);
  EXPECT_FALSE(Lasts(self));
}

TEST_F(TokenEndpointsTest, RevokesByAccessor) {
  const json::value auth = Create(R"({"policies":["a"]})");
  const std::string body = WithAccessor(Text(auth, "accessor"));
  EXPECT_EQ(Send("POST", "auth/token/revoke-accessor", body).status, 204);
  EXPECT_FALSE(Lasts(Text(auth, "client_token")));
  EXPECT_EQ(json::serialize(Json(Send("POST", "auth/token/revoke-accessor", body)).at("warnings")),
            R"(["No token found with this accessor"])");
}

TEST_F(TokenEndpointsTest, OrphansAreLeftOnlyByWhoMaySudo) {
  WritePolicy("plain", "path \"auth/token/revoke-orphan\" { capabilities = [\"update\"] }");
  WritePolicy("able", "path \"auth/token/revoke-orphan\" { capabilities = [\"update\",\"sudo\"] }");
  const std::string parent = Secret(R"({"policies":["root"]})");
  const std::string child = Secret(R"({"policies":["a"]})", parent);
  EXPECT_EQ(Send("PUT", "auth/token/revoke-orphan", WithToken(parent),
                 Secret(R"({"policies":["plain"]})"))
                .status,
            403);
  EXPECT_EQ(
      Send("PUT", "auth/token/revoke-orphan", WithToken(parent), Secret(R"({"policies":["able"]})"))
          .status,
      204);
  EXPECT_FALSE(Lasts(parent));
  EXPECT_EQ(LookUp(child).at("orphan"), true);
  EXPECT_EQ(Error(Send("PUT", "auth/token/revoke-orphan", WithToken(parent))),
            "400 token to revoke not found");
}

TEST_F(TokenEndpointsTest, AccessorsAreListedForWhoMaySudo) {
  WritePolicy("plain", "path \"auth/token/accessors*\" { capabilities = [\"list\"] }");
  WritePolicy("able", "path \"auth/token/accessors/\" { capabilities = [\"list\",\"sudo\"] }");
  const std::string plain = Secret(R"({"policies":["plain"]})");
  const std::string able = Secret(R"({"policies":["able"]})");
  EXPECT_EQ(Send("LIST", "auth/token/accessors", "", plain).status, 403);
  const json::value keys =
      Json(Send("LIST", "auth/token/accessors", "", able)).at("data").at("keys");
  EXPECT_EQ(keys.as_array().size(), 3u);
  EXPECT_THAT(json::serialize(keys), HasSubstr(fixture_.tokens.root->entry.accessor));
}

TEST_F(TokenEndpointsTest, TheLastUseStillCountsAndThenNoMore) {
  WritePolicy("a", "path \"auth/token/create\" { capabilities = [\"update\"] }");
  const std::string twice = Secret(R"({"policies":["a"],"num_uses":2})");
  EXPECT_EQ(LookUp(twice).at("num_uses"), 1);
  EXPECT_EQ(LookUp(twice).at("num_uses"), -1);
  EXPECT_FALSE(Lasts(twice));
  EXPECT_EQ(fixture_.tokens.store->Accessors().size(), 1u);
  // A request that comes to nothing has been one all the same.
  const std::string once = Secret(R"({"policies":["a"],"num_uses":1})");
  EXPECT_EQ(Error(Send("POST", "auth/token/create", "{}", once)),
            "400 restricted use token cannot generate child tokens");
  EXPECT_FALSE(Lasts(once));
  const std::string broken = Secret(R"({"policies":["a"],"num_uses":1})");
  EXPECT_EQ(Send("POST", "auth/token/create", "{", broken).status, 400);
  EXPECT_FALSE(Lasts(broken));
  EXPECT_EQ(fixture_.tokens.store->Accessors().size(), 1u);
}

TEST_F(TokenEndpointsTest, OtherPathsAre404AndOtherOperations405) {
  for (const char* path :
       {"auth/token/nothing", "auth/token/lookup/root", "auth/token/", "auth/token/accessors"}) {
    EXPECT_EQ(Error(Send("GET", path)), "404 1 error occurred:\n\t* unsupported path\n\n") << path;
  }
  for (const char* path : {"auth/token/create", "auth/token/create/x"}) {
    EXPECT_EQ(Error(Send("GET", path)), "405 1 error occurred:\n\t* unsupported operation\n\n");
  }
  EXPECT_EQ(Send("GET", "auth/userpass/login").status, 404);
}

TEST_F(TokenEndpointsTest, ATidyEndsWhatIsDueAndDropsWhatItLeft) {
  Secret(R"({"policies":["a"],"ttl":"1m"})");
  ASSERT_EQ(storage::Put(*fixture_.cubbyholes.storage, "nobody/a", "{}"), absl::OkStatus());
  fixture_.clock.Advance(absl::Minutes(1));
  EXPECT_EQ(Send("POST", "auth/token/tidy").status, 202);
  EXPECT_EQ(fixture_.tokens.store->Accessors().size(), 1u);
  EXPECT_THAT(*fixture_.cubbyholes.storage->List(""), ElementsAre());
}

TEST_F(TokenEndpointsTest, CapabilitiesAreThoseOfThePolicies) {
  WritePolicy("app", "path \"secret/data/*\" { capabilities = [\"recover\",\"read\",\"create\"] }");
  const json::value auth = Create(R"({"policies":["app"]})");
  const std::string secret = Text(auth, "client_token");
  const std::string asked = R"("paths":["secret/data/x","other"]})";
  const std::string expected = R"({"other":["deny"],"secret/data/x":["create","read","recover"]})";
  const auto capabilities = [&](const std::string& path, std::string body, std::string token) {
    return json::serialize(
        Json(Send("POST", "sys/" + path, std::move(body), std::move(token))).at("data"));
  };
  EXPECT_EQ(capabilities("capabilities-self", "{" + asked, secret), expected);
  EXPECT_EQ(capabilities("capabilities", R"({"token":")" + secret + "\"," + asked, "root"),
            expected);
  EXPECT_EQ(capabilities("capabilities-accessor",
                         R"({"accessor":")" + Text(auth, "accessor") + "\"," + asked, "root"),
            expected);
  EXPECT_EQ(capabilities("capabilities-self", R"({"path":"other, secret/"})", "root"),
            R"({"other":["root"],"secret/":["root"]})");
  EXPECT_EQ(Error(Send("POST", "sys/capabilities", R"({"path":"a","token":"no"})")),
            "400 1 error occurred:\n\t* invalid token\n\n");
  EXPECT_EQ(Error(Send("POST", "sys/capabilities-accessor", R"({"path":"a","accessor":"no"})")),
            "400 1 error occurred:\n\t* invalid accessor\n\n");
  EXPECT_EQ(Error(Send("POST", "sys/capabilities-self", "{}")), "400 paths must be supplied");
}

TEST_F(TokenEndpointsTest, ThePreflightFindsAMountThatAPolicyReachesInto) {
  WritePolicy("app", "path \"secret/data/app/*\" { capabilities = [\"read\"] }");
  const std::string app = Secret(R"({"policies":["app"]})");
  EXPECT_EQ(Send("GET", "sys/internal/ui/mounts/secret/app/x", "", app).status, 200);
  EXPECT_EQ(Send("GET", "sys/internal/ui/mounts/secret", "", Secret(R"({"policies":["default"]})"))
                .status,
            403);
}

TEST_F(TokenEndpointsTest, EveryTokenIsToldOfTheMountsThatItReachesInto) {
  WritePolicy("app", "path \"secret/data/app/*\" { capabilities = [\"read\"] }");
  const HttpResponse some = Send("GET", "sys/internal/ui/mounts", "",
                                 Secret(R"({"policies":["app"],"no_default_policy":true})"));
  EXPECT_EQ(some.status, 200);
  EXPECT_THAT(some.body, HasSubstr(R"("secret/":)"));
  EXPECT_THAT(some.body, Not(HasSubstr(R"("sys/":)")));
  const HttpResponse none =
      Send("GET", "sys/internal/ui/mounts", "", Secret(R"({"policies":["default"]})"));
  EXPECT_EQ(none.status, 200);
  EXPECT_THAT(none.body, Not(HasSubstr(R"("secret/":)")));
}

TEST_F(TokenEndpointsTest, EachTokenHasACubbyholeOfItsOwn) {
  const std::string mine = Secret(R"({"policies":["default"]})");
  const std::string other = Secret(R"({"policies":["default"]})");
  const std::string body = R"({ "n":1.50, "text":"x" })";
  EXPECT_EQ(Send("PUT", "cubbyhole/a/b", body, mine).status, 204);
  const HttpResponse read = Send("GET", "cubbyhole/a/b", "", mine);
  EXPECT_THAT(read.body, HasSubstr("\"data\":" + body + ","));
  EXPECT_THAT(read.body, HasSubstr(R"("mount_type":"cubbyhole")"));
  EXPECT_EQ(Send("GET", "cubbyhole/a/b", "", other).body, "{\"errors\":[]}\n");
  EXPECT_EQ(Send("GET", "cubbyhole/a/b", "", other).status, 404);
  EXPECT_THAT(Send("LIST", "cubbyhole", "", mine).body, HasSubstr(R"("data":{"keys":["a/"]})"));
  EXPECT_THAT(Send("LIST", "cubbyhole/a", "", mine).body, HasSubstr(R"("data":{"keys":["b"]})"));
  EXPECT_EQ(Send("LIST", "cubbyhole/c", "", mine).status, 404);
  EXPECT_EQ(Send("DELETE", "cubbyhole/a/b", "", mine).status, 204);
  EXPECT_EQ(Send("GET", "cubbyhole/a/b", "", mine).status, 404);
}

TEST_F(TokenEndpointsTest, ACubbyholeTakesDataBelowAPathFromWhoMayWrite) {
  EXPECT_EQ(Error(Send("PUT", "cubbyhole/a", "{}")),
            "400 1 error occurred:\n\t* missing data fields\n\n");
  EXPECT_EQ(Send("PUT", "cubbyhole/a/", R"({"x":1})").status, 400);
  const std::string large = R"({"x":")" + std::string(4 * 1024 * 1024, 'x') + R"("})";
  EXPECT_EQ(Send("PUT", "cubbyhole/a", large).status, 413);
  EXPECT_EQ(Error(Send("GET", "cubbyhole")), "400 1 error occurred:\n\t* missing path\n\n");
  EXPECT_EQ(Error(Send("GET", "cubbyhole/a..b")),
            "400 1 error occurred:\n\t* relative paths not supported\n\n");
  WritePolicy("first", "path \"cubbyhole/*\" { capabilities = [\"create\"] }");
  const std::string first = Secret(R"({"policies":["first"],"no_default_policy":true})");
  EXPECT_EQ(Send("PUT", "cubbyhole/a", R"({"x":1})", first).status, 204);
  EXPECT_EQ(Send("PUT", "cubbyhole/a", R"({"x":2})", first).status, 403);
  EXPECT_EQ(Send("GET", "cubbyhole/a", "", first).status, 403);
  EXPECT_EQ(Send("PUT", "cubbyhole/a", R"({"x":1})", "no").status, 403);
}

TEST_F(TokenEndpointsTest, TheLastUseMayReadTheCubbyhole) {
  const std::string twice = Secret(R"({"policies":["default"],"num_uses":2})");
  EXPECT_EQ(Send("PUT", "cubbyhole/a", R"({"x":1})", twice).status, 204);
  EXPECT_EQ(Send("GET", "cubbyhole/a", "", twice).status, 200);
  EXPECT_EQ(Send("GET", "cubbyhole/a", "", twice).status, 403);
}

}  // namespace
}  // namespace belfry::api
