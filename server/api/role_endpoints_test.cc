
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "server/api/fakes.h"

namespace belfry::api {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

class RoleEndpointsTest : public ::testing::Test {
 protected:
  HttpResponse Send(std::string method, const std::string& name, std::string body = "",
                    std::string token = "root") {
    HttpRequest request = AsRoot(std::move(method), "/v1/auth/token/roles" + name, std::move(body));
    request.headers = {{"X-Vault-Token", std::move(token)}};
    return fixture_.Send(std::move(request));
  }
  std::string Data(const std::string& name) {
    return json::serialize(json::parse(Send("GET", name).body).at("data"));
  }

  ApiFixture fixture_;
};

TEST_F(RoleEndpointsTest, ARoleIsShownWithEverythingThatItSays) {
  EXPECT_EQ(Send("PUT", "/nightly", "{}").status, 204);
  EXPECT_EQ(Data("/nightly"),
            R"({"allowed_entity_aliases":null,"allowed_policies":[],"allowed_policies_glob":[],)"
            R"("disallowed_policies":[],"disallowed_policies_glob":[],"explicit_max_ttl":0,)"
            R"("name":"nightly","orphan":false,"path_suffix":"","period":0,"renewable":true,)"
            R"("token_explicit_max_ttl":0,"token_no_default_policy":false,"token_period":0,)"
            R"("token_type":"default-service"})");
  EXPECT_EQ(
      Send("POST", "/nightly",
           R"({"allowed_policies":"b, A","disallowed_policies":["C"],"allowed_policies_glob":"a*",)"
           R"("disallowed_policies_glob":"c*","orphan":true,"renewable":false,"path_suffix":"v-1",)"
           R"("token_period":"1h","token_explicit_max_ttl":7200,"token_num_uses":3,)"
           R"("token_type":"service","token_no_default_policy":true})")
          .status,
      204);
  EXPECT_EQ(Data("/nightly"),
            R"({"allowed_entity_aliases":null,"allowed_policies":["a","b"],)"
            R"("allowed_policies_glob":["a*"],"disallowed_policies":["c"],)"
            R"("disallowed_policies_glob":["c*"],"explicit_max_ttl":0,"name":"nightly",)"
            R"("orphan":true,"path_suffix":"v-1","period":0,"renewable":false,)"
            R"("token_explicit_max_ttl":7200,"token_no_default_policy":true,"token_num_uses":3,)"
            R"("token_period":3600,"token_type":"service"})");
}

TEST_F(RoleEndpointsTest, AChangeLeavesTheRestAsItWas) {
  Send("PUT", "/a", R"({"allowed_policies":"x","renewable":false})");
  Send("PUT", "/a", R"({"orphan":true,"allowed_policies":null})");
  EXPECT_THAT(Data("/a"), HasSubstr(R"("allowed_policies":["x"])"));
  EXPECT_THAT(Data("/a"), HasSubstr(R"("renewable":false)"));
}

TEST_F(RoleEndpointsTest, OldNamesStandForNewOnesAndGiveWayToThem) {
  EXPECT_EQ(Send("PUT", "/a", R"({"period":"1h","explicit_max_ttl":"2h"})").status, 204);
  EXPECT_THAT(Data("/a"), HasSubstr(R"("period":3600)"));
  EXPECT_THAT(Data("/a"), HasSubstr(R"("token_period":3600)"));
  EXPECT_THAT(Data("/a"), HasSubstr(R"("token_explicit_max_ttl":7200)"));
  const HttpResponse both = Send("PUT", "/a", R"({"period":"1h","token_period":"3h"})");
  EXPECT_THAT(both.body, HasSubstr("Both 'token_period' and deprecated 'period' value supplied, "
                                   "ignoring the deprecated value"));
  EXPECT_THAT(Data("/a"), HasSubstr(R"("period":0)"));
  EXPECT_THAT(Data("/a"), HasSubstr(R"("token_period":10800)"));
}

TEST_F(RoleEndpointsTest, IsListedAndDeleted) {
  EXPECT_EQ(Send("LIST", "").status, 404);
  Send("PUT", "/b", "{}");
  Send("PUT", "/a", "{}");
  EXPECT_THAT(Send("LIST", "").body, HasSubstr(R"("data":{"keys":["a","b"]})"));
  EXPECT_EQ(Send("DELETE", "/a").status, 204);
  EXPECT_EQ(Send("DELETE", "/a").status, 204);
  EXPECT_EQ(Send("GET", "/a").body, "{\"errors\":[]}\n");
  EXPECT_EQ(Send("GET", "/a").status, 404);
  EXPECT_EQ(Send("GET", "").status, 405);
  EXPECT_EQ(Send("LIST", "/a").status, 404);
}

TEST_F(RoleEndpointsTest, RefusesWhatIsNotSupportedOrMakesNoSense) {
  for (const char* field : {"token_bound_cidrs", "bound_cidrs", "allowed_entity_aliases"}) {
    const HttpResponse answer =
        Send("PUT", "/a", std::string("{\"") + field + R"(":["10.0.0.0/8"]})");
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr(std::string(field) + " is not supported: leave it out"));
  }
  EXPECT_EQ(Send("PUT", "/a", R"({"token_bound_cidrs":[]})").status, 204);
  EXPECT_EQ(Send("PUT", "/a", R"({"token_type":"batch"})").status, 400);
  EXPECT_EQ(Send("PUT", "/a", R"({"token_period":"-1h"})").status, 400);
  EXPECT_EQ(Send("PUT", "/a", R"({"orphan":"perhaps"})").status, 400);
  EXPECT_EQ(Send("PUT", "/a/b", "{}").status, 404);
  EXPECT_EQ(Send("PUT", "/-", "{}").status, 404);
}

TEST_F(RoleEndpointsTest, ALongestTimeThatIsTooLongIsToldOf) {
  EXPECT_THAT(Send("PUT", "/a", R"({"token_explicit_max_ttl":"1000h"})").body,
              HasSubstr(R"(an explicit max TTL of \"1000h\" has no effect)"));
}

TEST_F(RoleEndpointsTest, ANewRoleNeedsCreateAndAChangeUpdate) {
  access::Capability allowed = access::Capability::kCreate;
  fixture_.authorizer.allowed = [&allowed](access::Capability capability, std::string_view path) {
    return capability == allowed && path == "auth/token/roles/a";
  };
  EXPECT_EQ(Send("PUT", "/a", "{}", "reader").status, 204);
  EXPECT_EQ(Send("PUT", "/a", "{}", "reader").status, 403);
  allowed = access::Capability::kUpdate;
  EXPECT_EQ(Send("PUT", "/a", "{}", "reader").status, 204);
  EXPECT_EQ(Send("GET", "/a", "", "reader").status, 403);
  EXPECT_EQ(Send("LIST", "", "", "reader").status, 403);
}

}  // namespace
}  // namespace belfry::api
