// What the host itself answers: its state, its mounts, who may do what.

#include <array>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/api_fixture.h"

namespace belfry::api {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::Pair;
using ::testing::SizeIs;

TEST_F(ApiTest, UnknownSystemPathIs404AndAWrongOperation405) {
  EXPECT_EQ(Get("/v1/sys/nothing").status, 404);
  EXPECT_EQ(Get("/v1/sys/nothing").body,
            "{\"errors\":[\"1 error occurred:\\n\\t* unsupported path\\n\\n\"]}\n");
  const HttpResponse answer = Send(AsRoot("DELETE", "/v1/sys/experiments"));
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.body,
            "{\"errors\":[\"1 error occurred:\\n\\t* unsupported operation\\n\\n\"]}\n");
}

TEST_F(ApiTest, NamespacesAreAnotherEditionsAsInVault) {
  for (const char* method : {"LIST", "GET", "PUT", "DELETE"}) {
    const HttpResponse answer = Send(AsRoot(method, "/v1/sys/namespaces/team"));
    EXPECT_EQ(answer.status, 404) << method;
    EXPECT_EQ(answer.body, "{\"errors\":[\"enterprise-only feature\"]}\n") << method;
  }
}

TEST_F(ApiTest, MountsAreListedTwiceInOneAnswer) {
  const std::string body = Masked(Get("/v1/sys/mounts").body);
  const std::string secret =
      "\"secret/\":{\"accessor\":\"kv_32d62293\",\"config\":{\"default_lease_ttl\":0,"
      "\"force_no_cache\":false,\"max_lease_ttl\":0},\"deprecation_status\":\"supported\","
      "\"description\":\"key/value secret storage\",\"external_entropy_access\":false,"
      "\"local\":false,\"options\":{\"version\":\"2\"},\"plugin_version\":\"\","
      "\"running_plugin_version\":\"v0.1.0\",\"running_sha256\":\"5ha\",\"seal_wrap\":false,"
      "\"type\":\"kv\",\"uuid\":\"ID\"}";
  EXPECT_THAT(body, ::testing::StartsWith("{" + secret + ",\"sys/\":{"));
  EXPECT_THAT(body, HasSubstr(",\"request_id\":\"ID\",\"lease_id\":\"\""));
  EXPECT_THAT(body, HasSubstr("\"data\":{" + secret + ",\"sys/\":{"));
  EXPECT_THAT(body, ::testing::EndsWith("\"mount_type\":\"system\"}\n"));
}

TEST_F(ApiTest, OneMountIsReadByItsPath) {
  const HttpResponse answer = Get("/v1/sys/mounts/secret");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, ::testing::StartsWith("{\"accessor\":\"kv_32d62293\""));
  EXPECT_EQ(Get("/v1/sys/mounts/nope").status, 400);
  EXPECT_EQ(Get("/v1/sys/mounts/nope").body,
            "{\"errors\":[\"No secret engine mount at nope/\"]}\n");
}

TEST_F(ApiTest, TuningShowsWhatApplies) {
  EXPECT_THAT(Get("/v1/sys/mounts/secret/tune").body,
              HasSubstr("\"data\":{\"default_lease_ttl\":2764800,\"description\":"
                        "\"key/value secret storage\",\"force_no_cache\":false,"
                        "\"max_lease_ttl\":2764800,\"options\":{\"version\":\"2\"}}"));
}

TEST_F(ApiTest, PreflightNamesTheMountAndItsVersion) {
  const HttpResponse answer = Get("/v1/sys/internal/ui/mounts/secret/foo");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Masked(answer.body),
            "{\"request_id\":\"ID\",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,"
            "\"data\":{\"accessor\":\"kv_32d62293\",\"config\":{\"default_lease_ttl\":2764800,"
            "\"force_no_cache\":false,\"max_lease_ttl\":2764800},\"deprecation_status\":"
            "\"supported\",\"description\":\"key/value secret storage\","
            "\"external_entropy_access\":false,\"local\":false,\"options\":{\"version\":\"2\"},"
            "\"path\":\"secret/\",\"plugin_version\":\"\",\"running_plugin_version\":\"v0.1.0\","
            "\"running_sha256\":\"5ha\",\"seal_wrap\":false,\"type\":\"kv\",\"uuid\":\"ID\"},"
            "\"wrap_info\":null,\"warnings\":null,\"auth\":null,\"mount_type\":\"\"}\n");
  EXPECT_EQ(Get("/v1/sys/internal/ui/mounts/secret").status, 200);
}

TEST_F(ApiTest, PreflightOfWhatIsNotThereIs403) {
  const HttpResponse answer = Get("/v1/sys/internal/ui/mounts/nosuch/a");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body,
            "{\"errors\":[\"preflight capability check returned 403, please ensure client's "
            "policies grant access to path \\\"nosuch/a/\\\"\"]}\n");
}

TEST_F(ApiTest, EnableUnderstandsWhatTheCommandLineSends) {
  const HttpResponse answer = Send(AsRoot(
      "POST", "/v1/sys/mounts/team/kv",
      R"({"type":"kv-v2","description":"d","config":{"options":null,"default_lease_ttl":"1h","max_lease_ttl":7200,"force_no_cache":false},"local":false,"seal_wrap":true,"external_entropy_access":false,"options":{"max_versions":3}})"));
  EXPECT_EQ(answer.status, 204);
  ASSERT_THAT(fixture_.mounts.enabled, SizeIs(1));
  const mounts::MountEntry& entry = fixture_.mounts.enabled[0];
  EXPECT_EQ(entry.path, "team/kv/");
  EXPECT_EQ(entry.type, "kv-v2");
  EXPECT_EQ(entry.description, "d");
  EXPECT_THAT(entry.options, ElementsAre(Pair("max_versions", "3")));
  EXPECT_EQ(entry.default_lease_ttl, absl::Hours(1));
  EXPECT_EQ(entry.max_lease_ttl, absl::Hours(2));
  EXPECT_TRUE(entry.seal_wrap);
}

TEST_F(ApiTest, EnableThatCannotBeIs400WithTheReason) {
  fixture_.mounts.enable_result = absl::NotFoundError("plugin not found in the catalog: nosuch");
  const HttpResponse answer =
      Send(AsRoot("POST", "/v1/sys/mounts/nosuch", "{\"type\":\"nosuch\"}"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "{\"errors\":[\"plugin not found in the catalog: nosuch\"]}\n");
  EXPECT_EQ(Send(AsRoot("POST", "/v1/sys/mounts/x", "{\"type\":7}")).body,
            "{\"errors\":[\"plugin not found in the catalog: nosuch\"]}\n")
      << "a number is a text, too";
  EXPECT_EQ(Send(AsRoot("POST", "/v1/sys/mounts/x",
                        "{\"type\":\"kv\",\"config\":{\"max_lease_ttl\":\"soon\"}}"))
                .status,
            400);
}

// What may wait for a plugin, and what must not: method, path, body.
using Asked = std::array<std::string_view, 3>;
constexpr Asked kMayWaitForAPlugin[] = {
    {"POST", "/v1/sys/mounts/x", R"({"type":"kv"})"},
    {"POST", "/v1/sys/mounts/secret/tune", R"({"options":{"version":"2"}})"},
    {"DELETE", "/v1/sys/mounts/secret", ""},
    {"PUT", "/v1/sys/plugins/catalog/secret/x", R"({"sha256":"00","command":"x"})"},
    {"PUT", "/v1/sys/plugins/reload/secret/kv", "{}"},
    {"PUT", "/v1/sys/plugins/reload/backend", R"({"mounts":"secret/"})"},
};
constexpr Asked kNeverWaitsForAPlugin[] = {
    {"PUT", "/v1/auth/token/create", "{}"},
    {"PUT", "/v1/auth/token/revoke", R"({"token":"nobody"})"},
    {"PUT", "/v1/auth/token/revoke-accessor", R"({"accessor":"nobody"})"},
    {"PUT", "/v1/auth/token/revoke-orphan", R"({"token":"nobody"})"},
    {"PUT", "/v1/auth/token/renew", R"({"token":"nobody"})"},
    {"PUT", "/v1/auth/token/tidy", "{}"},
    {"LIST", "/v1/auth/token/accessors", ""},
    {"PUT", "/v1/auth/token/roles/r", "{}"},
    {"GET", "/v1/auth/token/roles/r", ""},
    {"DELETE", "/v1/auth/token/roles/r", ""},
    {"PUT", "/v1/sys/policies/acl/p", R"({"policy":"path \"a\" {}"})"},
    {"GET", "/v1/sys/policies/acl/p", ""},
    {"DELETE", "/v1/sys/policies/acl/p", ""},
    {"PUT", "/v1/cubbyhole/a", R"({"a":"b"})"},
    {"GET", "/v1/cubbyhole/a", ""},
    {"GET", "/v1/sys/plugins/catalog", ""},
    {"DELETE", "/v1/sys/plugins/catalog/secret/x", ""},
    {"GET", "/v1/sys/plugins/processes", ""},
};

TEST_F(ApiTest, WhatNeverWaitsForAPluginIsAnsweredWhileAllThatMayIsHeldUp) {
  ApiFixture fixture(Access::kReal);
  fixture.plugin_executor.full = true;
  for (const auto& [method, path, body] : kMayWaitForAPlugin) {
    const HttpResponse answer =
        fixture.Send(AsRoot(std::string(method), std::string(path), std::string(body)));
    EXPECT_EQ(answer.status, 503) << method << path;
    EXPECT_THAT(answer.headers, Contains(Pair("Retry-After", "1"))) << method << path;
  }
  EXPECT_THAT(fixture.mounts.enabled, IsEmpty());
  for (const auto& [method, path, body] : kNeverWaitsForAPlugin) {
    const HttpResponse answer =
        fixture.Send(AsRoot(std::string(method), std::string(path), std::string(body)));
    EXPECT_THAT(answer.status, AllOf(Ne(503), Ne(0))) << method << path;
  }
}

TEST_F(ApiTest, WhatMayWaitForAPluginTakesNoPlaceFromWhatNeverDoes) {
  fixture_.executor.full = true;
  for (const auto& [method, path, body] : kMayWaitForAPlugin) {
    EXPECT_NE(Send(AsRoot(std::string(method), std::string(path), std::string(body))).status, 503)
        << method << path;
  }
  EXPECT_EQ(Send(AsRoot("PUT", "/v1/sys/policies/acl/p", R"({"policy":""})")).status, 503);
}

TEST_F(ApiTest, TooManyStartsAtOnceAre503) {
  fixture_.mounts.enable_result = absl::ResourceExhaustedError("16 plugins are being started");
  const HttpResponse answer = Send(AsRoot("POST", "/v1/sys/mounts/x", "{\"type\":\"kv\"}"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "{\"errors\":[\"16 plugins are being started\"]}\n");
  EXPECT_THAT(answer.headers, Contains(Pair("Retry-After", "1")));
}

TEST_F(ApiTest, DisableIs204) {
  EXPECT_EQ(Send(AsRoot("DELETE", "/v1/sys/mounts/team/kv")).status, 204);
  EXPECT_THAT(fixture_.mounts.disabled, ElementsAre("team/kv/"));
}

TEST_F(ApiTest, LookupSelfDescribesTheRootToken) {
  const HttpResponse answer = Get("/v1/auth/token/lookup-self");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(
      answer.body,
      HasSubstr("\"data\":{\"accessor\":\"rootaccessor\",\"creation_time\":1795413511,"
                "\"creation_ttl\":0,\"display_name\":\"token\",\"entity_id\":\"\","
                "\"expire_time\":null,\"explicit_max_ttl\":0,\"id\":\"root\",\"issue_time\":"
                "\"2026-11-23T05:58:31Z\",\"meta\":null,\"num_uses\":0,\"orphan\":true,"
                "\"path\":\"auth/token/create\",\"policies\":[\"root\"],\"renewable\":false,"
                "\"ttl\":0,\"type\":\"service\"}"));
  EXPECT_THAT(answer.body, ::testing::EndsWith("\"mount_type\":\"token\"}\n"));
}

TEST_F(ApiTest, CapabilitiesOfTheTokenThatAsks) {
  EXPECT_THAT(
      Send(AsRoot("POST", "/v1/sys/capabilities-self", "{\"path\":\"secret/data/x\"}")).body,
      ::testing::StartsWith(
          "{\"capabilities\":[\"root\"],\"secret/data/x\":[\"root\"],\"request_id\""));
  fixture_.authorizer.allowed = [](auto, std::string_view) { return true; };
  fixture_.authorizer.rules = R"(path "a" { capabilities = ["update", "subscribe"] })";
  HttpRequest request = AsRoot("POST", "/v1/sys/capabilities-self", "{\"paths\":[\"a\",\"b\"]}");
  request.headers = {{"X-Vault-Token", "reader"}};
  EXPECT_THAT(Send(request).body,
              HasSubstr("\"data\":{\"a\":[\"subscribe\",\"update\"],\"b\":[\"deny\"]}"));
  EXPECT_EQ(Send(AsRoot("POST", "/v1/sys/capabilities-self", "{}")).status, 400);
}

TEST_F(ApiTest, MetricsArePrometheusText) {
  fixture_.metrics->GetCounter("belfry_things_total", "Things.").Add(3);
  HttpRequest request = AsRoot("GET", "/v1/sys/metrics");
  request.query = {{"format", "prometheus"}};
  const HttpResponse answer = Send(request);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("belfry_things_total 3"));
  EXPECT_THAT(answer.headers,
              ::testing::Contains(
                  Pair("Content-Type", ::testing::StartsWith("text/plain; version=0.0.4"))));
}

}  // namespace
}  // namespace belfry::api
