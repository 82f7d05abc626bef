#include "server/api/api.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/engine_requests.h"
#include "server/api/fakes.h"
#include "server/api/refusal_log.h"
#include "server/mounts/salted_token.h"

namespace belfry::api {
namespace {

using mounts::Existence;
using mounts::Operation;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr char kInvalidToken[] =
    "{\"errors\":[\"2 errors occurred:\\n\\t* permission denied\\n\\t* invalid token\\n\\n\"]}\n";
constexpr char kDenied[] = "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}\n";

mounts::Reply WithData(std::string data) {
  mounts::Reply reply;
  reply.response.emplace().data = std::move(data);
  return reply;
}

mounts::Reply WithError(int status, std::string message) {
  mounts::Reply reply;
  reply.error = mounts::EngineError{status, std::move(message)};
  return reply;
}

// With every uuid replaced by "ID".
std::string Masked(std::string body) {
  constexpr std::string_view kHex = "0123456789abcdef-";
  for (std::size_t begin = 0; begin < body.size(); ++begin) {
    const std::size_t end = std::min(body.find_first_not_of(kHex, begin), body.size());
    if (end - begin == 36) body.replace(begin, 36, "ID");
  }
  return body;
}

// The 8 digits that end the cluster's name.
std::string ClusterHash(const std::string& body) {
  constexpr std::string_view kName = "belfry-cluster-";
  const std::size_t at = body.find(kName);
  return at == std::string::npos ? "" : body.substr(at + kName.size(), 8);
}

class ApiTest : public ::testing::Test {
 protected:
  ApiFixture fixture_;
  FakeEngine& engine_ = *fixture_.engine;

  HttpResponse Send(HttpRequest request) { return fixture_.Send(std::move(request)); }
  HttpResponse Get(std::string path) { return Send(AsRoot("GET", std::move(path))); }
};

TEST_F(ApiTest, EveryAnswerCarriesVaultsHeaders) {
  engine_.reply = WithData("{}");
  for (const char* path : {"/v1/sys/health", "/v1/secret/data/a", "/v1/nothing"}) {
    EXPECT_THAT(
        Get(path).headers,
        ElementsAre(Pair("Cache-Control", "no-store"), Pair("Content-Type", "application/json"),
                    Pair("Strict-Transport-Security", "max-age=31536000; includeSubDomains")))
        << path;
  }
}

TEST_F(ApiTest, EnvelopeHasVaultsOrderAndThePluginsTextUnchanged) {
  engine_.reply = WithData("{\"n\": 12345678901234567890, \"f\":1.50,\"u\":\"\\u003c\"}");
  const HttpResponse answer = Get("/v1/secret/data/a");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Masked(answer.body),
            "{\"request_id\":\"ID\",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,"
            "\"data\":{\"n\": 12345678901234567890, \"f\":1.50,\"u\":\"\\u003c\"},"
            "\"wrap_info\":null,\"warnings\":null,\"auth\":null,\"mount_type\":\"kv\"}\n");
}

TEST_F(ApiTest, WarningsAndLeaseAreInTheEnvelope) {
  mounts::Reply reply = WithData("{\"x\":\"1\"}");
  reply.response->warnings = {"be careful"};
  reply.response->lease = mounts::Lease{.ttl = absl::Seconds(2764800)};
  engine_.reply = reply;
  const HttpResponse answer = Get("/v1/secret/bar");
  EXPECT_THAT(answer.body, HasSubstr("\"lease_duration\":2764800,"));
  EXPECT_THAT(answer.body, HasSubstr("\"warnings\":[\"be careful\"]"));
}

TEST_F(ApiTest, EngineIsToldWhoAsksForWhatAndUntilWhen) {
  engine_.reply = WithData("{}");
  HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
  request.query = {{"version", "3"}, {"x", "1"}, {"x", "2"}};
  Send(request);
  ASSERT_THAT(engine_.handled, SizeIs(1));
  const mounts::Request& seen = engine_.handled.front();
  EXPECT_THAT(seen.id, SizeIs(36));
  EXPECT_EQ(seen.operation, Operation::kRead);
  EXPECT_EQ(seen.path, "data/a");
  EXPECT_EQ(seen.data, "{\"version\":\"3\",\"x\":[\"1\",\"2\"]}");
  EXPECT_EQ(seen.mount_point, "secret/");
  EXPECT_EQ(seen.mount_type, "kv");
  EXPECT_EQ(seen.mount_accessor, "kv_32d62293");
  EXPECT_EQ(seen.client_token_accessor, "rootaccessor");
  EXPECT_EQ(seen.display_name, "token");
  EXPECT_EQ(seen.remote_address, "127.0.0.1");
  EXPECT_EQ(seen.deadline - fixture_.clock.Steady(), absl::Seconds(90));
  EXPECT_THAT(engine_.checked, IsEmpty());
}

TEST_F(ApiTest, EngineNeverSeesTheToken) {
  engine_.reply = WithData("{}");
  Get("/v1/secret/data/a");
  // sha1("5b725ae9-1322-42b5-f1ab-c42cdec65ac1root")
  EXPECT_EQ(engine_.handled.at(0).client_token,
            mounts::SaltedToken("5b725ae9-1322-42b5-f1ab-c42cdec65ac1", "root"));
  EXPECT_EQ(mounts::SaltedToken("a", "bc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST_F(ApiTest, MethodNamesTheOperation) {
  struct Case {
    std::string method, list;
    Operation operation;
    std::string path;
  };
  for (const Case& c : {Case{"GET", "", Operation::kRead, "metadata/d"},
                        Case{"GET", "true", Operation::kList, "metadata/d/"},
                        Case{"GET", "false", Operation::kRead, "metadata/d"},
                        Case{"LIST", "", Operation::kList, "metadata/d/"},
                        Case{"DELETE", "", Operation::kDelete, "metadata/d"},
                        Case{"POST", "", Operation::kUpdate, "metadata/d"},
                        Case{"PUT", "", Operation::kUpdate, "metadata/d"}}) {
    engine_.handled.clear();
    HttpRequest request = AsRoot(c.method, "/v1/secret/metadata/d");
    if (!c.list.empty()) request.query = {{"list", c.list}};
    Send(request);
    ASSERT_THAT(engine_.handled, SizeIs(1)) << c.method;
    EXPECT_EQ(engine_.handled[0].operation, c.operation) << c.method << c.list;
    EXPECT_EQ(engine_.handled[0].path, c.path) << c.method << c.list;
  }
}

TEST_F(ApiTest, OtherMethodsAre405WithNoErrors) {
  for (const char* method : {"HEAD", "OPTIONS", "TRACE", "SUBSCRIBE"}) {
    const HttpResponse answer = Send(AsRoot(method, "/v1/secret/data/a"));
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_EQ(answer.body, "{\"errors\":[]}\n") << method;
  }
  EXPECT_THAT(engine_.handled, IsEmpty());
}

TEST_F(ApiTest, WriteIsCreateOnlyWhenTheEngineFindsNothing) {
  const std::pair<Existence, Operation> cases[] = {{Existence::kMissing, Operation::kCreate},
                                                   {Existence::kExists, Operation::kUpdate},
                                                   {Existence::kUnknown, Operation::kUpdate}};
  for (const auto& [existence, operation] : cases) {
    engine_.handled.clear();
    engine_.checked.clear();
    engine_.existence = existence;
    EXPECT_EQ(Send(AsRoot("PUT", "/v1/secret/a", "{\"b\":1}")).status, 204);
    ASSERT_THAT(engine_.checked, SizeIs(1));
    EXPECT_EQ(engine_.checked[0].operation, Operation::kUpdate);
    ASSERT_THAT(engine_.handled, SizeIs(1));
    EXPECT_EQ(engine_.handled[0].operation, operation);
    EXPECT_EQ(engine_.handled[0].data, "{\"b\":1}");
  }
}

TEST_F(ApiTest, BodyReachesTheEngineAsItWasWritten) {
  const std::string body = "{ \"f\":1.50, \"n\":12345678901234567890 }";
  Send(AsRoot("POST", "/v1/secret/a", body));
  EXPECT_EQ(engine_.handled.at(0).data, body);
}

TEST_F(ApiTest, PatchNeedsAMergePatch) {
  HttpRequest request = AsRoot("PATCH", "/v1/secret/a", "{}");
  EXPECT_EQ(Send(request).status, 400);
  request.headers.emplace_back("Content-Type", "application/json");
  const HttpResponse refused = Send(request);
  EXPECT_EQ(refused.status, 415);
  EXPECT_EQ(refused.body,
            "{\"errors\":[\"PATCH requires Content-Type of application/merge-patch+json, "
            "provided application/json\"]}\n");
  request.headers.back().second = "application/merge-patch+json; charset=utf-8";
  EXPECT_EQ(Send(request).status, 204);
  EXPECT_EQ(engine_.handled.at(0).operation, Operation::kPatch);
  EXPECT_THAT(engine_.checked, IsEmpty());
}

TEST_F(ApiTest, WritingToAPathThatEndsInASlashIs400) {
  const HttpResponse answer = Send(AsRoot("PUT", "/v1/secret/data/", "{}"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "{\"errors\":[\"cannot write to a path ending in '/'\"]}\n");
}

TEST_F(ApiTest, NothingIs404ForReadsAnd204ForWrites) {
  EXPECT_EQ(Get("/v1/secret/data/a").status, 404);
  EXPECT_EQ(Get("/v1/secret/data/a").body, "{\"errors\":[]}\n");
  EXPECT_EQ(Send(AsRoot("LIST", "/v1/secret/metadata")).status, 404);
  const HttpResponse written = Send(AsRoot("DELETE", "/v1/secret/data/a"));
  EXPECT_EQ(written.status, 204);
  EXPECT_EQ(written.body, "");
}

TEST_F(ApiTest, EmptyListIs404) {
  for (const char* data : {"{}", "{\"keys\":[]}", "{\"keys\":null}", "null"}) {
    engine_.reply = WithData(data);
    const HttpResponse answer = Send(AsRoot("LIST", "/v1/secret/metadata"));
    EXPECT_EQ(answer.status, 404) << data;
    EXPECT_EQ(answer.body, "{\"errors\":[]}\n") << data;
  }
  engine_.reply = WithData("{\"keys\":[\"foo\"]}");
  EXPECT_EQ(Send(AsRoot("LIST", "/v1/secret/metadata")).status, 200);
}

TEST_F(ApiTest, EnginesErrorIsCountedAsOneAndKeepsItsStatus) {
  const std::pair<int, std::string> cases[] = {{400, "no"},
                                               {403, "permission denied"},
                                               {404, "unsupported path"},
                                               {405, "unsupported operation"},
                                               {418, "teapot"},
                                               {500, "broken"}};
  for (const auto& [status, text] : cases) {
    engine_.reply = WithError(status, text);
    const HttpResponse answer = Get("/v1/secret/data/a");
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body, "{\"errors\":[\"1 error occurred:\\n\\t* " + text + "\\n\\n\"]}\n");
  }
}

TEST_F(ApiTest, ErrorInTheDataIsShownWithTheErrorsStatus) {
  mounts::Reply reply = WithError(400, "invalid request");
  reply.response.emplace().data =
      "{\"error\":\"check-and-set parameter did not match the current version\"}";
  engine_.reply = reply;
  const HttpResponse answer = Send(AsRoot("PUT", "/v1/secret/data/foo", "{}"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body,
            "{\"errors\":[\"check-and-set parameter did not match the current version\"]}\n");
}

TEST_F(ApiTest, ErrorInTheDataAloneIs400) {
  engine_.reply = WithData("{\"error\":\"nope\"}");
  EXPECT_EQ(Get("/v1/secret/a").status, 400);
  engine_.reply = WithData("{\"error\":\"nope\",\"data\":{\"more\":1}}");
  EXPECT_EQ(Get("/v1/secret/a").body, "{\"errors\":[\"nope\"],\"data\":{\"more\":1}}\n");
  // A secret may well have a field of that name.
  engine_.reply = WithData("{\"error\":\"nope\",\"other\":1}");
  EXPECT_EQ(Get("/v1/secret/a").status, 200);
}

TEST_F(ApiTest, CodedErrorBesideAResponseIs400) {
  mounts::Reply reply = WithError(500, "boom");
  reply.response.emplace().data = "{\"error\":\"text\"}";
  engine_.reply = reply;
  EXPECT_EQ(Get("/v1/secret/a").status, 400);
  reply.error->http_status = 403;
  engine_.reply = reply;
  EXPECT_EQ(Get("/v1/secret/a").status, 403);
}

TEST_F(ApiTest, LostEngineIs500AndLateEngineIs504) {
  engine_.reply = absl::UnavailableError("the plugin kv has exited");
  EXPECT_EQ(Get("/v1/secret/a").status, 500);
  EXPECT_EQ(Get("/v1/secret/a").body,
            "{\"errors\":[\"1 error occurred:\\n\\t* the plugin kv has exited\\n\\n\"]}\n");
  engine_.reply = absl::DeadlineExceededError("too late");
  EXPECT_EQ(Get("/v1/secret/a").status, 504);
  engine_.existence = absl::UnavailableError("gone");
  EXPECT_EQ(Send(AsRoot("PUT", "/v1/secret/a", "{}")).status, 500);
}

TEST_F(ApiTest, WhatTheHostItselfHasInterruptedIs503InItsWords) {
  engine_.reply = absl::AbortedError("the server is stopping");
  EXPECT_EQ(Get("/v1/secret/a").status, 503);
  EXPECT_EQ(Get("/v1/secret/a").body, "{\"errors\":[\"the server is stopping\"]}\n");
  engine_.existence = absl::AbortedError("the server is stopping");
  EXPECT_EQ(Send(AsRoot("PUT", "/v1/secret/a", "{}")).status, 503);
}

TEST(RefusalLogTest, OnePluginsRefusedAnswersAreBoundedLinesAndTakeNoOthers) {
  RefusalLog refusals;
  const auto sink = std::make_shared<RecordingLogSink>();
  const Logger logger(sink, "api");
  mounts::MountEntry entry;
  entry.path = "a/";
  entry.type = "evil";
  for (int i = 0; i < 1000; ++i)
    refusals.Write(logger, entry, "1", RefusedPart::kRedirect, "elsewhere");
  EXPECT_EQ(sink->Lines().size(), 10u);
  // Another mount of it is no way around.
  entry.path = "b/";
  refusals.Write(logger, entry, "1", RefusedPart::kRedirect, "elsewhere");
  EXPECT_EQ(sink->Lines().size(), 10u);
  refusals.Write(logger, entry, "1", RefusedPart::kHeader, "a header");
  entry.type = "good";
  refusals.Write(logger, entry, "1", RefusedPart::kRedirect, "elsewhere");
  EXPECT_EQ(sink->Lines().size(), 12u);
  EXPECT_EQ(sink->Lines()[11],
            "api: an answer of a plugin was refused: mount=b/ plugin=good "
            "request_id=1 reason=elsewhere suppressed=0");
}

TEST_F(ApiTest, MistakeThatTheExistenceCheckFindsIs400InTheEnginesWords) {
  engine_.existence = absl::InvalidArgumentError("error converting input for field \"n\": no");
  const HttpResponse answer = Send(AsRoot("PUT", "/v1/secret/a", "{}"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "{\"errors\":[\"error converting input for field \\\"n\\\": no\"]}\n");
  EXPECT_TRUE(engine_.handled.empty());
}

TEST_F(ApiTest, PluginThatAnswersRubbishIs500) {
  for (const char* data : {"", "rubbish", "[]", "{\"a\":}"}) {
    engine_.reply = WithData(data);
    const HttpResponse answer = Get("/v1/secret/a");
    EXPECT_EQ(answer.status, 500) << data;
    EXPECT_THAT(answer.body, HasSubstr("the plugin's answer cannot be read")) << data;
  }
}

TEST_F(ApiTest, RawAnswerIsPassedOnAsItIs) {
  engine_.reply = WithData(
      R"({"http_status_code":404,"http_content_type":"application/json","http_raw_body":"{\"data\":null}"})");
  const HttpResponse answer = Get("/v1/secret/data/foo");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, "{\"data\":null}");
}

TEST_F(ApiTest, RawBodyIsDecodedWhenItIsBase64) {
  const std::pair<std::string, std::string> cases[] = {{"aGVsbG8=", "hello"},
                                                       {"hello world", "hello world"},
                                                       {"aGVsbG8", "aGVsbG8"},
                                                       {"aGVs=bG8", "aGVs=bG8"},
                                                       {"", ""}};
  for (const auto& [text, body] : cases) {
    engine_.reply = WithData(
        "{\"http_status_code\":200,\"http_content_type\":\"text/plain\",\"http_raw_body\":\"" +
        text + "\"}");
    const HttpResponse answer = Get("/v1/secret/a");
    EXPECT_EQ(answer.body, body);
    EXPECT_THAT(answer.headers, ::testing::Contains(Pair("Content-Type", "text/plain")));
  }
}

TEST_F(ApiTest, RawAnswerWithAnImpossibleStatusOrHeaderIs500) {
  engine_.reply = WithData(R"({"http_status_code":99})");
  EXPECT_EQ(Get("/v1/secret/a").status, 500);
  engine_.reply = WithData(R"({"http_status_code":200,"http_content_type":"a\r\nX-Forged: 1"})");
  EXPECT_EQ(Get("/v1/secret/a").status, 500);
}

TEST_F(ApiTest, UnknownMountIs404WithItsPath) {
  const HttpResponse answer = Get("/v1/foo/bar");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body,
            "{\"errors\":[\"no handler for route \\\"foo/bar\\\". route entry not found.\"]}\n");
}

TEST_F(ApiTest, UnknownSystemPathIs404AndAWrongOperation405) {
  EXPECT_EQ(Get("/v1/sys/nothing").status, 404);
  EXPECT_EQ(Get("/v1/sys/nothing").body,
            "{\"errors\":[\"1 error occurred:\\n\\t* unsupported path\\n\\n\"]}\n");
  const HttpResponse answer = Send(AsRoot("DELETE", "/v1/sys/experiments"));
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.body,
            "{\"errors\":[\"1 error occurred:\\n\\t* unsupported operation\\n\\n\"]}\n");
}

TEST_F(ApiTest, MissingTokenIs403) {
  HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
  request.headers.clear();
  EXPECT_EQ(Send(request).status, 403);
  EXPECT_EQ(Send(request).body, "{\"errors\":[\"permission denied\"]}\n");
}

TEST_F(ApiTest, UnknownTokenIs403WithTwoErrors) {
  HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
  request.headers = {{"X-Vault-Token", "bogus"}};
  EXPECT_EQ(Send(request).status, 403);
  EXPECT_EQ(Send(request).body, kInvalidToken);
}

TEST_F(ApiTest, TokenComesFromTheFirstHeaderElseFromAuthorization) {
  engine_.reply = WithData("{}");
  HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
  request.headers = {{"x-vault-token", "root"}, {"X-Vault-Token", "bogus"}};
  EXPECT_EQ(Send(request).status, 200);
  request.headers = {{"Authorization", "Bearer root"}};
  EXPECT_EQ(Send(request).status, 200);
  request.headers = {{"Authorization", "Basic root"}};
  EXPECT_EQ(Send(request).status, 403);
  request.headers = {{"X-Vault-Token", "bogus"}, {"Authorization", "Bearer root"}};
  EXPECT_EQ(Send(request).status, 403);
}

TEST_F(ApiTest, DeniedIsOneErrorAndReachesNoEngine) {
  fixture_.authorizer.allowed = [](access::Capability capability, std::string_view path) {
    return capability == access::Capability::kCreate && path == "secret/data/a";
  };
  HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
  request.headers = {{"X-Vault-Token", "reader"}};
  EXPECT_EQ(Send(request).body, kDenied);
  EXPECT_EQ(Send(request).status, 403);
  request.path = "/v1/unmounted/x";
  EXPECT_EQ(Send(request).body, kDenied);
  EXPECT_THAT(engine_.handled, IsEmpty());
  // May create, may not update.
  request.method = "PUT";
  request.path = "/v1/secret/data/a";
  engine_.existence = Existence::kExists;
  EXPECT_EQ(Send(request).status, 403);
  EXPECT_THAT(engine_.handled, IsEmpty());
  engine_.existence = Existence::kMissing;
  EXPECT_EQ(Send(request).status, 204);
  EXPECT_EQ(engine_.handled.at(0).operation, Operation::kCreate);
}

TEST_F(ApiTest, WhoMayCreateAndUpdateAlikeAsksOneQuestion) {
  HttpRequest request = AsRoot("PUT", "/v1/secret/data/a", "{}");
  request.headers = {{"X-Vault-Token", "reader"}};
  const auto ask_as_one_who_may = [&](std::vector<access::Capability> capabilities) {
    fixture_.authorizer.allowed = [=](access::Capability capability, std::string_view) {
      return std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end();
    };
    return Send(request).status;
  };
  engine_.existence = Existence::kExists;
  EXPECT_EQ(ask_as_one_who_may({access::Capability::kUpdate}), 204);
  EXPECT_EQ(ask_as_one_who_may({access::Capability::kCreate}), 403);
  EXPECT_EQ(ask_as_one_who_may({}), 403);
  EXPECT_THAT(engine_.checked, SizeIs(2));
  EXPECT_THAT(engine_.written, IsEmpty());
  EXPECT_EQ(ask_as_one_who_may({access::Capability::kUpdate, access::Capability::kCreate}), 204);
  ASSERT_THAT(engine_.written, SizeIs(1));
  EXPECT_EQ(engine_.written[0].operation, Operation::kUpdate);
}

TEST_F(ApiTest, UnprintableAndRelativePathsAre400) {
  for (const std::string path :
       {"/v1/secret/a\n", "/v1/secret/\x7f", "/v1/secret/\xc2\x85", "/v1/secret/\xff",
        "/v1/secret/../sys/mounts", "/v1/./secret", "/v1/secret/\xe2\x80\x8b"}) {
    EXPECT_EQ(Get(path).status, 400) << path;
  }
  engine_.reply = WithData("{}");
  EXPECT_EQ(Get("/v1/secret/data/schl\xc3\xbcssel \xf0\x9f\x94\x91").status, 200);
}

TEST_F(ApiTest, TheRootNamespaceMayBeNamedAndIsEchoed) {
  for (const std::string name : {"", " ", "/", "root", "root/", "/root/"}) {
    engine_.reply = WithData("{}");
    HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
    request.headers.emplace_back("X-Vault-Namespace", name);
    const HttpResponse answer = Send(request);
    EXPECT_EQ(answer.status, 200) << name;
    if (name.empty()) continue;
    EXPECT_THAT(answer.headers, ::testing::Contains(Pair("X-Vault-Namespace", name)));
  }
}

TEST_F(ApiTest, AnyOtherNamespaceIsRefusedAndNothingIsDone) {
  for (const char* path : {"/v1/secret/data/a", "/v1/sys/mounts/kv", "/v1/sys/policies/acl/p",
                           "/v1/sys/namespaces/team", "/v1/sys/health", "/v1/nowhere"}) {
    HttpRequest request = AsRoot("PUT", path);
    request.body = R"({"type":"kv"})";
    request.headers.emplace_back("X-Vault-Namespace", "/team/");
    const HttpResponse answer = Send(request);
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_EQ(
        answer.body,
        "{\"errors\":[\"there is only the root namespace on this server, no \\\"team\\\"\"]}\n");
    EXPECT_THAT(answer.headers, ::testing::Contains(Pair("X-Vault-Namespace", "/team/")));
  }
  EXPECT_THAT(engine_.handled, IsEmpty());
}

TEST_F(ApiTest, TheFirstNamespaceCountsWhenAClientRepeatsItsHeader) {
  engine_.reply = WithData("{}");
  HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
  request.headers.emplace_back("X-Vault-Namespace", "");
  request.headers.emplace_back("X-Vault-Namespace", "team");
  EXPECT_EQ(Send(request).status, 200);
}

TEST_F(ApiTest, ANamespaceInThePathIsAPathWithoutAMount) {
  const HttpResponse answer = Send(AsRoot("GET", "/v1/team/secret/data/a"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body,
            "{\"errors\":[\"no handler for route \\\"team/secret/data/a\\\". route entry not "
            "found.\"]}\n");
  EXPECT_EQ(Send(AsRoot("GET", "/v1/team/sys/events/subscribe/kv*")).status, 404);
}

TEST_F(ApiTest, NamespacesAreAnotherEditionsAsInVault) {
  for (const char* method : {"LIST", "GET", "PUT", "DELETE"}) {
    const HttpResponse answer = Send(AsRoot(method, "/v1/sys/namespaces/team"));
    EXPECT_EQ(answer.status, 404) << method;
    EXPECT_EQ(answer.body, "{\"errors\":[\"enterprise-only feature\"]}\n") << method;
  }
}

TEST_F(ApiTest, HealthNeedsNoTokenAndObeysActivecode) {
  HttpRequest request;
  request.method = "GET";
  request.path = "/v1/sys/health";
  const HttpResponse answer = Send(request);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(
      Masked(answer.body),
      "{\"initialized\":true,\"sealed\":false,\"standby\":false,\"performance_standby\":false,"
      "\"replication_performance_mode\":\"disabled\",\"replication_dr_mode\":\"disabled\","
      "\"server_time_utc\":1795413511,\"version\":\"1.21.0\",\"enterprise\":false,"
      "\"cluster_name\":\"belfry-cluster-" +
          ClusterHash(answer.body) +
          "\",\"cluster_id\":\"ID\",\"echo_duration_ms\":0,"
          "\"clock_skew_ms\":0,\"replication_primary_canary_age_ms\":0}\n");
  request.query = {{"activecode", "299"}, {"standbyok", "true"}};
  request.method = "HEAD";
  EXPECT_EQ(Send(request).status, 299);
  request.query = {{"activecode", "often"}};
  EXPECT_EQ(Send(request).status, 400);
}

TEST_F(ApiTest, StatusEndpointsNeedNoToken) {
  HttpRequest request;
  request.method = "GET";
  request.path = "/v1/sys/seal-status";
  EXPECT_THAT(Send(request).body,
              ::testing::StartsWith(
                  "{\"type\":\"shamir\",\"initialized\":true,\"sealed\":false,"
                  "\"t\":1,\"n\":1,\"progress\":0,\"nonce\":\"\",\"version\":\"1.21.0\""));
  request.path = "/v1/sys/leader";
  EXPECT_EQ(Send(request).body,
            "{\"ha_enabled\":false,\"is_self\":false,\"active_time\":\"0001-01-01T00:00:00Z\","
            "\"leader_address\":\"\",\"leader_cluster_address\":\"\",\"performance_standby\":false,"
            "\"performance_standby_last_remote_wal\":0}\n");
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
  fixture_.authorizer.allowed = [](access::Capability capability, std::string_view path) {
    return path != "b" && (capability == access::Capability::kUpdate ||
                           capability == access::Capability::kSubscribe);
  };
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

TEST_F(ApiTest, HelpIsTheEnginesAnswerAsItIsAndForEveryToken) {
  engine_.reply = mounts::Reply{.response = mounts::Response{.data = R"({"help":"Keeps keys."})"}};
  HttpRequest request = AsRoot("GET", "/v1/secret/data/a");
  request.query = {{"help", "1"}};
  request.headers = {{"X-Vault-Token", "reader"}};
  const HttpResponse response = fixture_.Send(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "{\"help\":\"Keeps keys.\"}\n");
  EXPECT_EQ(engine_.handled.back().operation, Operation::kHelp);
  request.headers.clear();
  EXPECT_EQ(fixture_.Send(request).status, 403);
}

TEST_F(ApiTest, ARootPathOfAnEngineAsksForSudo) {
  engine_.special = std::make_shared<mounts::SpecialPaths>(
      mounts::SpecialPaths{.root = mounts::PathSet({"config/*"}), .unauthenticated = {}});
  bool sudo = false;
  fixture_.authorizer.allowed = [&sudo](access::Capability capability, std::string_view) {
    return capability != access::Capability::kSudo || sudo;
  };
  HttpRequest request = AsRoot("GET", "/v1/secret/config/a");
  request.headers = {{"X-Vault-Token", "reader"}};
  EXPECT_EQ(fixture_.Send(request).status, 403);
  EXPECT_TRUE(engine_.handled.empty());
  sudo = true;
  EXPECT_EQ(fixture_.Send(request).status, 404);
  EXPECT_EQ(engine_.handled.size(), 1u);
}

TEST_F(ApiTest, APathThatIsOpenToEverybodyNeedsNoTokenAndNoPolicy) {
  engine_.special = std::make_shared<mounts::SpecialPaths>(
      mounts::SpecialPaths{.root = {}, .unauthenticated = mounts::PathSet({"login"})});
  for (const std::string token : {"", "wrong", "reader"}) {
    HttpRequest request = AsRoot("POST", "/v1/secret/login", "{}");
    request.headers = {{"X-Vault-Token", token}};
    EXPECT_EQ(fixture_.Send(request).status, 204) << token;
    EXPECT_EQ(engine_.handled.back().unauthenticated, token != "reader");
    request.path = "/v1/secret/logout";
    EXPECT_EQ(fixture_.Send(request).status, 403) << token;
  }
}

TEST_F(ApiTest, AParameterThatThePolicyDeniesIsNotPassedOn) {
  fixture_.authorizer.allowed = [](access::Capability, std::string_view) { return true; };
  fixture_.authorizer.denied_parameter = "ttl";
  HttpRequest request = AsRoot("PUT", "/v1/secret/data/a", R"({"k":1,"ttl":"5m"})");
  request.headers = {{"X-Vault-Token", "reader"}};
  EXPECT_EQ(fixture_.Send(request).status, 403);
  EXPECT_TRUE(engine_.handled.empty() && engine_.checked.empty());
  request.body = R"({"k":1})";
  EXPECT_EQ(fixture_.Send(request).status, 204);
  // As root, whom no policy binds.
  EXPECT_EQ(fixture_.Send(AsRoot("PUT", "/v1/secret/data/a", R"({"ttl":1})")).status, 204);
}

}  // namespace
}  // namespace belfry::api
