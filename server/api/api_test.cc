#include "server/api/api.h"

#include <algorithm>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/api_fixture.h"
#include "server/api/engine_requests.h"
#include "server/mounts/salted_token.h"

namespace belfry::api {
namespace {

using mounts::Existence;
using mounts::Operation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
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

TEST_F(ApiTest, EveryAnswerCarriesVaultsHeaders) {
  engine_.reply = WithData("{}");
  for (const char* path : {"/v1/sys/mounts", "/v1/secret/data/a", "/v1/nothing"}) {
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
                           "/v1/sys/namespaces/team", "/v1/nowhere"}) {
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
