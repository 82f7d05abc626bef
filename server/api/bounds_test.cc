#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/access/token_store.h"
#include "server/api/api.h"
#include "server/api/fakes.h"

// What a request may cost, and on which threads.

namespace belfry::api {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

int StatusOfEarly(const Api& api, const HttpRequest& head, std::uint64_t body_bytes) {
  const std::optional<HttpResponse> answer = api.RefuseEarly(head, body_bytes);
  return answer ? answer->status : 0;
}

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

  // The status of the answer that needs no body; 0: there is none.
  int Early(const HttpRequest& head, std::uint64_t body_bytes) const {
    return StatusOfEarly(*fixture_.api, head, body_bytes);
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

// Rules that are too many to be kept are put together each time they are taken.
TEST_F(BoundsTest, RulesAreTakenOnceForAllThatARequestAsks) {
  EXPECT_EQ(AskAbout({"a", "b", "c"}).status, 200);
  EXPECT_EQ(fixture_.authorizer.rules_taken, 1);
  EXPECT_EQ(fixture_.Send(AsRoot("GET", "/v1/sys/internal/ui/mounts")).status, 200);
  EXPECT_EQ(fixture_.authorizer.rules_taken, 2);
}

TEST_F(BoundsTest, WhatTakesLongIsDoneOnTheExecutor) {
  fixture_.executor.full = true;
  const std::string large = R"({"data":{"a":")" + std::string(20'000, 'x') + R"("}})";
  const std::vector<HttpRequest> slow = {
      AsRoot("PUT", "/v1/secret/data/a", large),
      AsRoot("POST", "/v1/sys/capabilities-self", R"({"paths":["a"]})"),
      AsRoot("PUT", "/v1/sys/policies/acl/a", R"({"policy":"path \"a\" {}"})"),
      AsRoot("GET", "/v1/sys/metrics"),
      AsRoot("GET", "/v1/sys/mounts"),
  };
  for (const HttpRequest& request : slow) {
    EXPECT_EQ(fixture_.Send(request).status, 503) << request.path;
  }
  EXPECT_EQ(fixture_.Send(AsRoot("GET", "/v1/sys/namespaces")).status, 404);
  fixture_.executor.full = false;
  for (const HttpRequest& request : slow) {
    EXPECT_LT(fixture_.Send(request).status, 300) << request.path;
  }
}

// As a large body, to a mount; as an endpoint that needs storage.
TEST(Bounds, WhatWaitsForAnExecutorIsNotDoneForATokenOrARightThatHasGone) {
  const std::string large = R"({"data":{"a":")" + std::string(20'000, 'x') + R"("}})";
  const std::string policy = R"({"policy":"path \"b\" {}"})";
  for (const auto& [path, body] : {std::pair<std::string, std::string>("/v1/secret/data/a", large),
                                   {"/v1/sys/policies/acl/b", policy}}) {
    for (const auto& [taken, with] :
         {std::pair<std::string, std::string>("/v1/auth/token/revoke", R"({"token":"its"})"),
          {"/v1/sys/policies/acl/p", R"({"policy":"path \"b\" {}"})"}}) {
      ApiFixture fixture(Access::kReal);
      ASSERT_TRUE(
          fixture.policies.store->Put("p", R"(path "*" { capabilities = ["create", "update"] })")
              .ok());
      fixture.Send(AsRoot("POST", "/v1/auth/token/create", R"({"id":"its","policies":["p"]})"));
      HttpRequest request = AsRoot("PUT", path, body);
      request.headers.back().second = "its";
      EXPECT_LT(fixture.Send(request).status, 300) << path;
      fixture.executor.meanwhile = [&, taken = taken, with = with] {
        EXPECT_LT(fixture.Send(AsRoot("PUT", taken, with)).status, 300) << taken;
      };
      EXPECT_EQ(fixture.Send(request).status, 403) << path << " after " << taken;
    }
  }
}

TEST(Bounds, WhatWaitsForAnExecutorHasItsTurnsByTokenOrByAddress) {
  ApiFixture fixture(Access::kReal);
  const std::string large = R"({"data":{"a":")" + std::string(20'000, 'x') + R"("}})";
  const auto created =
      fixture.Send(AsRoot("POST", "/v1/auth/token/create", R"({"id":"twice","num_uses":2})"));
  const std::string accessor =
      boost::json::parse(created.body).at("auth").at("accessor").as_string().c_str();
  const auto owners_of = [&fixture](const HttpRequest& request) {
    fixture.executor.owners.clear();
    EXPECT_LT(fixture.Send(request).status, 300) << request.path;
    return std::set<std::string>(fixture.executor.owners.begin(), fixture.executor.owners.end());
  };
  const std::string root = fixture.tokens.root->entry.accessor;
  EXPECT_EQ(owners_of(AsRoot("PUT", "/v1/secret/data/a", large)), std::set{root});
  EXPECT_EQ(owners_of(AsRoot("GET", "/v1/sys/mounts")), std::set{root});
  HttpRequest limited = AsRoot("GET", "/v1/sys/mounts");
  limited.headers.back().second = "twice";
  EXPECT_EQ(owners_of(limited), std::set{accessor});
}

// Each request has spent a use of its own.
TEST(Bounds, WhatWaitsForAnExecutorIsDoneThoughItsTokenIsUsedUpMeanwhile) {
  const std::string large = R"({"a":")" + std::string(20'000, 'x') + R"("})";
  for (const auto& [path, body] : {std::pair<std::string, std::string>("/v1/cubbyhole/a", large),
                                   {"/v1/sys/policies/acl/b", R"({"policy":"path \"b\" {}"})"}}) {
    ApiFixture fixture(Access::kReal);
    ASSERT_TRUE(
        fixture.policies.store->Put("p", R"(path "*" { capabilities = ["create", "update"] })")
            .ok());
    fixture.Send(
        AsRoot("POST", "/v1/auth/token/create", R"({"id":"its","policies":["p"],"num_uses":2})"));
    HttpRequest request = AsRoot("PUT", path, body);
    request.headers.back().second = "its";
    HttpRequest last = AsRoot("PUT", "/v1/cubbyhole/b", R"({"a":1})");
    last.headers.back().second = "its";
    // The use is spent where the request waits first; it is used up where it waits next.
    bool used_up = false;
    fixture.executor.meanwhile = [&] {
      fixture.executor.meanwhile = [&] {
        EXPECT_LT(fixture.Send(last).status, 300);
        used_up = true;
      };
    };
    EXPECT_LT(fixture.Send(request).status, 300) << path;
    EXPECT_TRUE(used_up);
    EXPECT_EQ(fixture.tokens.store->Accessors().size(), 1u) << "root's alone is left";
    EXPECT_EQ(fixture.Send(request).status, 403) << path;
  }
}

// One explanation may take seconds.
TEST_F(BoundsTest, ExplanationsWaitOnlyForEachOther) {
  fixture_.explain_executor.full = true;
  EXPECT_EQ(fixture_.Send(AsRoot("GET", "/v1/sys/events/explain/kv*")).status, 503);
  const HttpRequest question = AsRoot("POST", "/v1/sys/capabilities-self", R"({"paths":["a"]})");
  EXPECT_EQ(fixture_.Send(question).status, 200);
  fixture_.explain_executor.full = false;
  fixture_.executor.full = true;
  EXPECT_EQ(fixture_.Send(AsRoot("GET", "/v1/sys/events/explain/kv*")).status, 200);
  EXPECT_EQ(fixture_.Send(question).status, 503);
}

TEST_F(BoundsTest, ASubscriptionIsOpenedOnTheExecutor) {
  fixture_.executor.full = true;
  HttpRequest request = AsRoot("GET", "/v1/sys/events/subscribe/kv*");
  request.subscriber = std::make_shared<subscriptions::FakeSubscriber>();
  EXPECT_EQ(fixture_.Send(request).status, 503);
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

TEST_F(BoundsTest, ABodyIsNotReadForATokenThatMayNotWrite) {
  for (const char* path : {"/v1/secret/data/a", "/v1/nowhere/a", "/v1/cubbyhole/a",
                           "/v1/sys/policies/acl/a", "/v1/auth/token/create"}) {
    EXPECT_EQ(Early(AsReader("PUT", path), 70'000), 403) << path;
    EXPECT_EQ(Early(AsRoot("PUT", path), 70'000), 0) << path;
  }
  fixture_.authorizer.allowed = [](access::Capability capability, std::string_view path) {
    return capability == access::Capability::kCreate && path == "secret/data/a";
  };
  EXPECT_EQ(Early(AsReader("PUT", "/v1/secret/data/a"), 70'000), 0);
  EXPECT_EQ(Early(AsReader("PUT", "/v1/secret/data/b"), 70'000), 403);
}

TEST_F(BoundsTest, ABodyIsNotReadForNobody) {
  HttpRequest request = AsRoot("PUT", "/v1/secret/data/a");
  for (const char* token : {"", "wrong"}) {
    request.headers.back().second = token;
    const std::optional<HttpResponse> answer = fixture_.api->RefuseEarly(request, 70'000);
    ASSERT_TRUE(answer.has_value()) << token;
    EXPECT_EQ(answer->status, 403) << token;
    EXPECT_THAT(answer->body, HasSubstr("permission denied")) << token;
    EXPECT_EQ(answer->body, fixture_.Send(request).body) << token;
  }
}

// A request with a large header is asked about, too.
TEST_F(BoundsTest, ARequestThatWouldBeAnsweredIsNotRefusedEarly) {
  HttpRequest anonymous = AsRoot("GET", "/v1/sys/internal/ui/mounts");
  anonymous.headers.back().second = "";
  EXPECT_EQ(Early(anonymous, 0), 0);
  // A client that adds its token at each reconnect means the last.
  HttpRequest subscriber = AsRoot("GET", "/v1/sys/events/subscribe/kv*");
  subscriber.headers.back().second = "expired";
  EXPECT_EQ(Early(subscriber, 0), 403);
  subscriber.headers.emplace_back("X-Vault-Token", "root");
  EXPECT_EQ(Early(subscriber, 0), 0);
}

TEST_F(BoundsTest, WhatIsAnsweredWhoeverAsksIsAnsweredWithoutTheBody) {
  EXPECT_EQ(Early(AsRoot("PUT", "/nowhere"), 70'000), 404);
  EXPECT_EQ(Early(AsRoot("TRACE", "/v1/secret/data/a"), 70'000), 405);
  HttpRequest elsewhere = AsRoot("PUT", "/v1/secret/data/a");
  elsewhere.headers.emplace_back("X-Vault-Namespace", "other");
  const std::optional<HttpResponse> answer = fixture_.api->RefuseEarly(elsewhere, 70'000);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(answer->headers, Contains(Pair("X-Vault-Namespace", "other")));
}

TEST_F(BoundsTest, AnOpenPathTakesASmallBodyFromNobody) {
  fixture_.engine->special = std::make_shared<mounts::SpecialPaths>(
      mounts::SpecialPaths{.root = {}, .unauthenticated = mounts::PathSet({"login"})});
  HttpRequest request = AsRoot("PUT", "/v1/secret/login");
  EXPECT_EQ(Early(request, 70'000), 0);
  request.headers.back().second = "";
  EXPECT_EQ(Early(request, kMaxUnaskedBodyBytes), 0);
  EXPECT_EQ(Early(request, kMaxUnaskedBodyBytes + 1), 413);
  request.body.assign(kMaxUnaskedBodyBytes + 1, ' ');
  EXPECT_EQ(fixture_.Send(request).status, 413);
}

TEST_F(BoundsTest, ABodyAboveTheBoundOfItsEndpointIsNotRead) {
  constexpr std::uint64_t kBound = 4 * 1024 * 1024;
  EXPECT_EQ(Early(AsRoot("PUT", "/v1/sys/policies/acl/a"), kBound), 0);
  EXPECT_EQ(Early(AsRoot("PUT", "/v1/sys/policies/acl/a"), kBound + 1), 413);
  EXPECT_EQ(Early(AsRoot("PUT", "/v1/secret/data/a"), kBound + 1), 0);
  fixture_.authorizer.allowed = [](access::Capability, std::string_view) { return true; };
  fixture_.authorizer.denied_parameter = "secret";
  EXPECT_EQ(Early(AsReader("PUT", "/v1/secret/data/a"), kBound), 0);
  EXPECT_EQ(Early(AsReader("PUT", "/v1/secret/data/a"), kBound + 1), 413);
}

// A token with the policy "p", on the real policies and tokens.
HttpRequest AsLimited(ApiFixture& fixture, std::string_view policy, std::int64_t uses) {
  EXPECT_TRUE(fixture.policies.store->Put("p", policy).ok());
  access::PlannedToken planned{
      .secret = "limited",
      .entry = {.policies = {"p"}, .path = "auth/token/create", .num_uses = uses}};
  EXPECT_TRUE(fixture.tokens.store->Create(&planned).ok());
  HttpRequest request = AsRoot("PUT", "/v1/secret/data/a");
  request.headers.back().second = "limited";
  return request;
}

TEST(Bounds, AskingBeforeTheBodySpendsNoUse) {
  ApiFixture fixture(Access::kReal);
  const HttpRequest request =
      AsLimited(fixture, R"(path "secret/*" { capabilities = ["create", "update"] })", 1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(StatusOfEarly(*fixture.api, request, 70'000), 0);
  EXPECT_LT(fixture.Send(request).status, 300);
  EXPECT_EQ(StatusOfEarly(*fixture.api, request, 70'000), 403);
}

TEST(Bounds, RulesAreNotPutTogetherBeforeTheBody) {
  ApiFixture fixture(Access::kReal);
  const HttpRequest request =
      AsLimited(fixture, R"(path "secret/*" { capabilities = ["read"] })", 0);
  EXPECT_EQ(StatusOfEarly(*fixture.api, request, 70'000), 0);
  EXPECT_EQ(fixture.Send(request).status, 403);
  // From now on they are known.
  EXPECT_EQ(StatusOfEarly(*fixture.api, request, 70'000), 403);
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
  const auto status = [&](const std::string& type, const std::vector<std::string>& namespaces) {
    HttpRequest request = AsRoot("GET", "/v1/sys/events/subscribe/" + type);
    for (const std::string& pattern : namespaces) request.query.emplace_back("namespaces", pattern);
    request.subscriber = std::make_shared<subscriptions::FakeSubscriber>();
    const Outcome outcome = fixture_.OutcomeOf(std::move(request));
    const auto* refusal = std::get_if<HttpResponse>(&outcome);
    return refusal == nullptr ? 101 : refusal->status;
  };
  EXPECT_EQ(status(std::string(limits.max_event_type_bytes, 'a'), {}), 101);
  EXPECT_EQ(status(std::string(limits.max_event_type_bytes + 1, 'a'), {}), 400);
  const std::string longest(limits.max_namespace_pattern_bytes, 'n');
  EXPECT_EQ(status("kv*", {longest}), 101);
  EXPECT_EQ(status("kv*", {longest + "n"}), 400);
  // One is the root's.
  std::vector<std::string> most(limits.max_namespace_patterns - 1, "n");
  EXPECT_EQ(status("kv*", most), 101);
  most.emplace_back("n");
  EXPECT_EQ(status("kv*", most), 400);
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
