#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "server/access/token_store.h"
#include "server/api/api.h"
#include "server/api/fakes.h"

// What a request may cost, and on which threads.

namespace belfry::api {
namespace {

using ::testing::HasSubstr;

class BoundsTest : public ::testing::Test {
 protected:
  // A token that is not root, on the fakes.
  static HttpRequest AsReader(std::string method, std::string path, std::string body = "") {
    HttpRequest request = AsRoot(std::move(method), std::move(path), std::move(body));
    request.headers.back().second = "reader";
    return request;
  }
  static std::string Repeated(std::string_view text, std::size_t times) {
    std::string repeated;
    for (std::size_t i = 0; i < times; ++i) repeated += text;
    return repeated;
  }
  HttpResponse AskAbout(const std::vector<std::string>& paths) {
    std::string list;
    for (const std::string& path : paths) list += (list.empty() ? "\"" : ",\"") + path + "\"";
    return fixture_.Send(AsRoot("POST", "/v1/sys/capabilities-self", "{\"paths\":[" + list + "]}"));
  }

  ApiFixture fixture_;
};

TEST_F(BoundsTest, AQuestionAboutCapabilitiesIsBounded) {
  const Limits limits;
  const std::vector<std::string> most(limits.max_capability_paths, "secret/a");
  EXPECT_EQ(AskAbout(most).status, 200);
  std::vector<std::string> more = most;
  more.push_back("secret/a");
  EXPECT_EQ(AskAbout(more).status, 400);
  EXPECT_THAT(AskAbout(more).body, HasSubstr("more than 512 paths"));

  EXPECT_EQ(AskAbout({std::string(limits.max_request_path_bytes, 'a')}).status, 200);
  EXPECT_EQ(AskAbout({std::string(limits.max_request_path_bytes + 1, 'a')}).status, 400);
  const std::string deepest = Repeated("a/", limits.max_request_path_segments - 1) + "a";
  EXPECT_EQ(AskAbout({deepest}).status, 200);
  EXPECT_EQ(AskAbout({"b/" + deepest}).status, 400);
  EXPECT_THAT(AskAbout({"b/" + deepest}).body, HasSubstr("segments"));
}

TEST_F(BoundsTest, WhatTakesLongIsDoneOnTheExecutor) {
  fixture_.executor.full = true;
  const std::string large = R"({"data":{"a":")" + std::string(20'000, 'x') + R"("}})";
  const std::vector<HttpRequest> slow = {
      AsRoot("PUT", "/v1/secret/data/a", large),
      AsRoot("POST", "/v1/sys/capabilities-self", R"({"paths":["a"]})"),
      AsRoot("GET", "/v1/sys/events/explain/kv*"),
      AsRoot("PUT", "/v1/sys/policies/acl/a", R"({"policy":"path \"a\" {}"})"),
      AsRoot("GET", "/v1/sys/metrics"),
      AsRoot("GET", "/v1/sys/mounts"),
  };
  for (const HttpRequest& request : slow) {
    EXPECT_EQ(fixture_.Send(request).status, 503) << request.path;
  }
  EXPECT_EQ(fixture_.Send(AsRoot("GET", "/v1/sys/health")).status, 200);
  fixture_.executor.full = false;
  for (const HttpRequest& request : slow) {
    EXPECT_LT(fixture_.Send(request).status, 300) << request.path;
  }
}

TEST_F(BoundsTest, ASubscriptionIsOpenedOnTheExecutor) {
  fixture_.executor.full = true;
  const SubscribeResult result = fixture_.Subscribe(AsRoot("GET", "/v1/sys/events/subscribe/kv*"),
                                                    std::make_shared<FakeSubscriber>());
  ASSERT_TRUE(std::holds_alternative<HttpResponse>(result));
  EXPECT_EQ(std::get<HttpResponse>(result).status, 503);
}

TEST(Bounds, RulesArePutTogetherOnTheExecutor) {
  ApiFixture fixture(Access::kReal);
  ASSERT_TRUE(fixture.policies.store->Put("p", R"(path "secret/*" { policy = "write" })").ok());
  access::PlannedToken planned{.secret = "limited",
                               .entry = {.policies = {"p"}, .path = "auth/token/create"}};
  ASSERT_TRUE(fixture.tokens.store->Create(&planned).ok());
  HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
  request.headers.back().second = "limited";
  fixture.executor.full = true;
  EXPECT_EQ(fixture.Send(request).status, 503);
  fixture.executor.full = false;
  EXPECT_NE(fixture.Send(request).status, 503);
  // From now on they are known.
  fixture.executor.full = true;
  EXPECT_NE(fixture.Send(request).status, 503);
}

TEST_F(BoundsTest, ABodyThatIsRefusedAnywayIsNotRead) {
  for (const char* path : {"/v1/secret/data/a", "/v1/nowhere/a", "/v1/cubbyhole/a"}) {
    EXPECT_EQ(fixture_.Send(AsReader("PUT", path, "{no JSON")).status, 403) << path;
    EXPECT_EQ(fixture_.Send(AsReader("PUT", path, "{\"a\":" + std::string(9'000'000, '['))).status,
              403)
        << path;
  }
  fixture_.authorizer.allowed = [](access::Capability, std::string_view) { return true; };
  EXPECT_EQ(fixture_.Send(AsReader("PUT", "/v1/secret/data/a", "{no JSON")).status, 400);
}

TEST_F(BoundsTest, WhereParametersMatterTheyAreRead) {
  fixture_.authorizer.denied_parameter = "secret";
  EXPECT_EQ(fixture_.Send(AsReader("PUT", "/v1/secret/data/a", "{no JSON")).status, 400);
  fixture_.authorizer.allowed = [](access::Capability, std::string_view) { return true; };
  EXPECT_EQ(fixture_.Send(AsReader("PUT", "/v1/secret/data/a", R"({"secret":1})")).status, 403);
  EXPECT_LT(fixture_.Send(AsReader("PUT", "/v1/secret/data/a", R"({"other":1})")).status, 300);
  const std::string large = R"({"other":")" + std::string(5'000'000, 'x') + R"("})";
  EXPECT_EQ(fixture_.Send(AsReader("PUT", "/v1/secret/data/a", large)).status, 413);
  fixture_.authorizer.denied_parameter = "";
  EXPECT_LT(fixture_.Send(AsReader("PUT", "/v1/secret/data/a", large)).status, 300);
}

TEST_F(BoundsTest, TheHostsOwnEndpointsReadNoLargeBodies) {
  const std::string large = R"({"policy":")" + std::string(5'000'000, 'x') + R"("})";
  for (const char* path : {"/v1/sys/policies/acl/a", "/v1/sys/mounts/a", "/v1/auth/token/create",
                           "/v1/sys/capabilities-self", "/v1/sys/nothing"}) {
    EXPECT_EQ(fixture_.Send(AsRoot("PUT", path, large)).status, 413) << path;
  }
}

TEST_F(BoundsTest, WhatASubscriptionAsksForIsBounded) {
  const Limits limits;
  const auto open = [&](const std::string& type,
                        const std::vector<std::string>& namespaces) -> SubscribeResult {
    HttpRequest request = AsRoot("GET", "/v1/sys/events/subscribe/" + type);
    for (const auto& [name, value] :
         {std::pair("Connection", "Upgrade"), std::pair("Upgrade", "websocket"),
          std::pair("Sec-WebSocket-Version", "13"),
          std::pair("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")}) {
      request.headers.emplace_back(name, value);
    }
    for (const std::string& pattern : namespaces) request.query.emplace_back("namespaces", pattern);
    return fixture_.Subscribe(std::move(request), std::make_shared<FakeSubscriber>());
  };
  const auto status = [](const SubscribeResult& result) {
    const auto* refusal = std::get_if<HttpResponse>(&result);
    return refusal == nullptr ? 101 : refusal->status;
  };
  EXPECT_EQ(status(open(std::string(limits.max_event_type_bytes, 'a'), {})), 101);
  EXPECT_EQ(status(open(std::string(limits.max_event_type_bytes + 1, 'a'), {})), 400);
  const std::string longest(limits.max_namespace_pattern_bytes, 'n');
  EXPECT_EQ(status(open("kv*", {longest})), 101);
  EXPECT_EQ(status(open("kv*", {longest + "n"})), 400);
  // One is the root's.
  std::vector<std::string> most(limits.max_namespace_patterns - 1, "n");
  EXPECT_EQ(status(open("kv*", most)), 101);
  most.emplace_back("n");
  EXPECT_EQ(status(open("kv*", most)), 400);
}

TEST_F(BoundsTest, WhatIsExplainedIsBoundedAsASubscriptionIs) {
  const auto explain = [&](std::size_t bytes, const std::string& path = "") {
    HttpRequest request = AsRoot("GET", "/v1/sys/events/explain/" + std::string(bytes, 'a'));
    if (!path.empty()) request.query.emplace_back("path", path);
    return fixture_.Send(std::move(request));
  };
  const Limits limits;
  EXPECT_EQ(explain(limits.max_event_type_bytes).status, 200);
  EXPECT_EQ(explain(limits.max_event_type_bytes + 1).status, 400);
  EXPECT_THAT(explain(limits.max_event_type_bytes + 1).body, HasSubstr("256 bytes"));
  EXPECT_EQ(explain(3, std::string(limits.max_request_path_bytes + 1, 'a')).status, 400);
}

}  // namespace
}  // namespace belfry::api
