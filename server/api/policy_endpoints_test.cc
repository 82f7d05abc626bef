
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "server/api/fakes.h"

namespace belfry::api {
namespace {

namespace json = boost::json;

class PolicyEndpointsTest : public ::testing::Test {
 protected:
  HttpResponse Send(std::string method, std::string path, std::string body = "") {
    HttpRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.headers.emplace_back("X-Vault-Token", "root");
    request.body = std::move(body);
    return fixture_.Send(std::move(request));
  }

  ApiFixture fixture_;
};

// Lines of the recording, as a client saw Vault 1.21.
TEST_F(PolicyEndpointsTest, AnswersAsInTheRecording) {
  std::ifstream file(BELFRY_GOLDEN_HTTP);
  int compared = 0;
  for (std::string line; std::getline(file, line);) {
    const json::value recorded = json::parse(line);
    const json::value& request = recorded.at("request");
    std::string path(request.at("path").as_string());
    if (path.find("/v1/sys/policies/acl") != 0) continue;
    std::string method(request.at("method").as_string());
    if (path.ends_with("?list=true")) {
      path.resize(path.size() - 10);
      method = "LIST";
    }
    const json::value& body = request.at("body");
    const HttpResponse answer = Send(method, path, body.is_null() ? "" : json::serialize(body));
    const json::value& expected = recorded.at("response");
    EXPECT_EQ(answer.status, expected.at("status").as_int64()) << line;
    json::value given = answer.body.empty() ? json::value(nullptr) : json::parse(answer.body);
    if (given.is_object() && given.as_object().contains("request_id")) {
      given.as_object()["request_id"] = expected.at("body").at("request_id");
    }
    EXPECT_EQ(json::serialize(given), json::serialize(expected.at("body"))) << line;
    ++compared;
  }
  EXPECT_GE(compared, 8);
}

TEST_F(PolicyEndpointsTest, OldClientsFindTheirNames) {
  EXPECT_EQ(Send("PUT", "/v1/sys/policy/App", R"({"rules": "path \"a\" {}"})").status, 200);
  const json::value list = json::parse(Send("GET", "/v1/sys/policy").body);
  EXPECT_EQ(json::serialize(list.at("policies")), R"(["app","default","root"])");
  EXPECT_EQ(json::serialize(list.at("data").at("keys")), R"(["app","default","root"])");
  const json::value read = json::parse(Send("GET", "/v1/sys/policy/app").body);
  EXPECT_EQ(read.at("rules"), "path \"a\" {}");
  EXPECT_EQ(read.at("name"), "app");
}

TEST_F(PolicyEndpointsTest, WarnsOfWhatItChanged) {
  const HttpResponse answer = Send("POST", "/v1/sys/policy/Ev", R"({"rules": "path \"a\" {}"})");
  EXPECT_EQ(json::serialize(json::parse(answer.body).at("warnings")),
            R"(["'rules' is deprecated, please use 'policy' instead",)"
            R"("policy name was converted to ev"])");
}

TEST_F(PolicyEndpointsTest, RefusesWithTheReason) {
  EXPECT_EQ(Send("PUT", "/v1/sys/policies/acl/a", "{}").body,
            "{\"errors\":[\"'policy' parameter not supplied or empty\"]}\n");
  EXPECT_EQ(Send("DELETE", "/v1/sys/policies/acl/default").body,
            "{\"errors\":[\"cannot delete default policy\"]}\n");
  EXPECT_EQ(Send("PUT", "/v1/sys/policies/acl/root", R"({"policy": "path \"a\" {}"})").status, 400);
  EXPECT_EQ(Send("DELETE", "/v1/sys/policies/acl/never").status, 204);
  EXPECT_EQ(Send("GET", "/v1/sys/policies/acl").status, 405);
  EXPECT_EQ(Send("PUT", "/v1/sys/policies/acl", R"({"policy": "path \"a\" {}"})").status, 405);
}

TEST_F(PolicyEndpointsTest, WhoMayNotIsDenied) {
  HttpRequest request;
  request.method = "GET";
  request.path = "/v1/sys/policies/acl/default";
  request.headers.emplace_back("X-Vault-Token", "reader");
  EXPECT_EQ(fixture_.Send(std::move(request)).status, 403);
}

}  // namespace
}  // namespace belfry::api
