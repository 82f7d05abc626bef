// What a request that has waited is asked before it goes to its engine.
#include "server/api/engine_requests.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/fakes.h"

namespace belfry::api {
namespace {

using access::Capability;

HttpRequest As(std::string token, std::string method, std::string path, std::string body = "") {
  HttpRequest request = AsRoot(std::move(method), std::move(path), std::move(body));
  request.headers = {{"X-Vault-Token", std::move(token)}};
  return request;
}

TEST(EngineRequestsTest, WhatHasWaitedIsAllowedByTheRulesOfNow) {
  ApiFixture fixture;
  bool allowed = true;
  fixture.authorizer.allowed = [&](Capability, std::string_view) { return allowed; };
  EXPECT_EQ(fixture.Send(As("reader", "DELETE", "/v1/secret/data/a")).status, 204);
  const mounts::Request& waited = fixture.engine->handled.at(0);
  EXPECT_TRUE(waited.still_allowed("null"));
  allowed = false;
  EXPECT_FALSE(waited.still_allowed("null"));
}

TEST(EngineRequestsTest, AWriteThatHasWaitedNeedsBothOfTheRightsThatItHad) {
  ApiFixture fixture;
  Capability missing = Capability::kSudo;
  fixture.authorizer.allowed = [&](Capability asked, std::string_view) { return asked != missing; };
  EXPECT_EQ(fixture.Send(As("reader", "PUT", "/v1/secret/data/a", "{}")).status, 204);
  const mounts::Request& waited = fixture.engine->written.at(0);
  EXPECT_TRUE(waited.still_allowed("{}"));
  for (const Capability gone : {Capability::kCreate, Capability::kUpdate}) {
    missing = gone;
    EXPECT_FALSE(waited.still_allowed("{}"));
  }
}

TEST(EngineRequestsTest, WhatHasWaitedIsNotAllowedToATokenThatHasEnded) {
  ApiFixture fixture(Access::kReal);
  fixture.Send(AsRoot("POST", "/v1/auth/token/create", R"({"id":"its"})"));
  EXPECT_EQ(fixture.Send(As("its", "DELETE", "/v1/secret/data/a")).status, 204);
  const mounts::Request& waited = fixture.engine->handled.at(0);
  EXPECT_TRUE(waited.still_allowed("null"));
  fixture.Send(AsRoot("POST", "/v1/auth/token/revoke", R"({"token":"its"})"));
  EXPECT_FALSE(waited.still_allowed("null"));
}

// But no longer than the token.
TEST(EngineRequestsTest, TheLastUseOfATokenMayWait) {
  ApiFixture fixture(Access::kReal);
  fixture.Send(
      AsRoot("POST", "/v1/auth/token/create", R"({"id":"once","num_uses":1,"ttl":"10s"})"));
  bool before = false;
  bool after = true;
  fixture.engine->on_handle = [&](const mounts::Request& request) {
    before = request.still_allowed("null");
    fixture.clock.Advance(absl::Seconds(11));
    after = request.still_allowed("null");
  };
  EXPECT_EQ(fixture.Send(As("once", "DELETE", "/v1/secret/data/a")).status, 204);
  EXPECT_TRUE(before);
  EXPECT_FALSE(after);
}

TEST(EngineRequestsTest, WhoseRightsHaveGoneWhileItWaitedIs403) {
  ApiFixture fixture;
  fixture.engine->reply = absl::PermissionDeniedError("permission denied");
  EXPECT_EQ(fixture.Send(AsRoot("GET", "/v1/secret/data/a")).status, 403);
}

}  // namespace
}  // namespace belfry::api
