// sys/plugins/ and the tuning of mounts, on fakes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/api/fakes.h"

namespace belfry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class PluginEndpointsTest : public ::testing::Test {
 protected:
  HttpResponse Send(std::string method, std::string path, std::string body = "") {
    HttpRequest request = AsRoot(std::move(method), "/v1/sys/" + path, std::move(body));
    if (const std::size_t query = request.path.find('?'); query != std::string::npos) {
      const std::string pair = request.path.substr(query + 1);
      request.query.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
      request.path.resize(query);
    }
    return fixture_.Send(std::move(request));
  }
  HttpResponse RegisterExample() {
    return Send("PUT", "plugins/catalog/secret/example",
                R"({"command":"ex","sha256":"ABC","args":["-a"],"env":["A=b"],)"
                R"("version":"v1.0.0","type":"secret"})");
  }
  ApiFixture fixture_;
};

TEST_F(PluginEndpointsTest, ARegisteredPluginIsReadListedAndDeleted) {
  EXPECT_EQ(RegisterExample().status, 204);
  EXPECT_EQ(fixture_.catalog.List()[0].env, std::vector<std::string>{"A=b"});
  EXPECT_THAT(Send("GET", "plugins/catalog/secret/example?version=v1.0.0").body,
              HasSubstr(R"("data":{"args":["-a"],"builtin":false,"command":"ex","name":"example",)"
                        R"("sha256":"abc","version":"v1.0.0"})"));
  const HttpResponse without_version = Send("GET", "plugins/catalog/secret/example");
  EXPECT_EQ(without_version.status, 404);
  EXPECT_THAT(
      without_version.body,
      HasSubstr("the plugin example has version \\\"v1.0.0\\\"; name a version to read it"));
  EXPECT_THAT(Send("LIST", "plugins/catalog/secret").body,
              HasSubstr(R"("data":{"keys":["example"]})"));
  EXPECT_EQ(Send("LIST", "plugins/catalog/auth").status, 404);
  EXPECT_THAT(Send("GET", "plugins/catalog").body,
              HasSubstr(R"("data":{"auth":[],"database":[],"detailed":[{"builtin":false,)"
                        R"("name":"example","sha256":"abc","type":"secret","version":"v1.0.0"}],)"
                        R"("secret":["example"]})"));
  EXPECT_EQ(Send("DELETE", "plugins/catalog/secret/example?version=v1.0.0").status, 204);
  EXPECT_EQ(Send("DELETE", "plugins/catalog/secret/example?version=v1.0.0").status, 204);
  EXPECT_THAT(fixture_.catalog.List(), SizeIs(0));
}

TEST_F(PluginEndpointsTest, WhatIsRegisteredAndRunsNowhereWarns) {
  const auto add = [this](std::string path, std::string version, std::string type = "example") {
    mounts::MountEntry entry;
    entry.path = std::move(path);
    entry.type = std::move(type);
    entry.plugin_version = std::move(version);
    fixture_.mounts.Add(std::move(entry))->running_sha256 = "abc";
  };
  add("follows/", "");
  add("same/", "v1.0.0");
  add("other/", "v2.0.0", "another");
  EXPECT_EQ(RegisterExample().status, 204);
  add("pinned/", "v0.9.0");
  const HttpResponse answer = RegisterExample();
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body,
              HasSubstr(R"("warnings":["the mount pinned/ runs version v0.9.0 of this plugin, not )"
                        R"(v1.0.0; write plugin_version=v1.0.0 to sys/mounts/pinned/tune to )"
                        R"(change that"])"));
}

TEST_F(PluginEndpointsTest, WhatIsRegisteredOverARunningProgramWarnsOfItsMounts) {
  mounts::MountEntry entry;
  entry.path = "n/";
  entry.type = "example";
  FakeEngine* const engine = fixture_.mounts.Add(std::move(entry));
  const std::string warning =
      R"("warnings":["the mount n/ goes on with the program that it runs; reload it to run the )"
      R"(new program: PUT sys/plugins/reload/backend {\"mounts\":\"n/\"}"])";
  engine->running_sha256 = "another";
  EXPECT_THAT(RegisterExample().body, HasSubstr(warning));
  engine->running_sha256 = "abc";
  EXPECT_EQ(RegisterExample().status, 204);
  // The same program with other arguments.
  EXPECT_THAT(Send("PUT", "plugins/catalog/secret/example",
                   R"({"command":"ex","sha256":"abc","args":["-b"],"version":"v1.0.0"})")
                  .body,
              HasSubstr(warning));
}

TEST_F(PluginEndpointsTest, WhatIsRemovedAndStillRunsWarns) {
  EXPECT_EQ(RegisterExample().status, 204);
  const HttpResponse nothing = Send("DELETE", "plugins/catalog/secret/example");
  EXPECT_EQ(nothing.status, 200);
  EXPECT_THAT(nothing.body, HasSubstr(R"(nothing was removed: the plugin example has version )"
                                      R"(\"v1.0.0\"; name a version to remove it)"));
  mounts::MountEntry entry;
  entry.path = "n/";
  entry.type = "example";
  entry.plugin_version = "v1.0.0";
  fixture_.mounts.Add(std::move(entry));
  const HttpResponse removed = Send("DELETE", "plugins/catalog/secret/example?version=v1.0.0");
  EXPECT_EQ(removed.status, 200);
  EXPECT_THAT(removed.body, HasSubstr("the mount n/ goes on with this plugin"));
  EXPECT_THAT(fixture_.catalog.List(), SizeIs(0));
}

TEST_F(PluginEndpointsTest, AMistypedFieldIsNamedWhereverAWriteSucceeds) {
  for (const auto& [path, body] : std::initializer_list<std::pair<const char*, const char*>>{
           {"mounts/m", R"({"type":"kv","optons":{"version":"2"}})"},
           {"policies/acl/p", R"({"policy":"path \"a\" {}","optons":1})"},
           {"policy/p", R"({"policy":"path \"a\" {}","optons":1})"},
           {"plugins/catalog/secret/x", R"({"command":"x","sha256":"a","optons":["A=b"]})"},
           {"../auth/token/roles/r", R"({"optons":"x"})"},
       }) {
    HttpRequest request = AsRoot("POST", "/v1/sys/", body);
    request.path = std::string(path).starts_with("../") ? "/v1/" + std::string(path).substr(3)
                                                        : "/v1/sys/" + std::string(path);
    const HttpResponse answer = fixture_.Send(std::move(request));
    EXPECT_EQ(answer.status, 200) << path << answer.body;
    EXPECT_THAT(answer.body,
                HasSubstr(R"("Endpoint ignored these unrecognized parameters: [optons]")"))
        << path;
  }
}

TEST_F(PluginEndpointsTest, TheOldPathTakesTheTypeFromTheBody) {
  EXPECT_EQ(Send("PUT", "plugins/catalog/old", R"({"type":3,"command":"ex -a -b","sha_256":"abc"})")
                .status,
            204);
  const mounts::PluginEntry entry = fixture_.catalog.List()[0];
  EXPECT_EQ(entry.command, "ex");
  EXPECT_THAT(entry.args, ElementsAre("-a", "-b"));
  EXPECT_EQ(Send("PUT", "plugins/catalog/old", R"({"command":"ex"})").status, 400);
}

TEST_F(PluginEndpointsTest, WhatCannotBeRegisteredSaysWhy) {
  EXPECT_THAT(Send("PUT", "plugins/catalog/secret/x", R"({"command":"x"})").body,
              HasSubstr("must provide at least one of sha256 or version: "));
  EXPECT_THAT(Send("PUT", "plugins/catalog/secret/x", R"({"command":"x","version":"v1.0.0"})").body,
              HasSubstr("give the sha256 of the program"));
  EXPECT_THAT(Send("PUT", "plugins/catalog/secret/x", R"({"oci_image":"x","sha256":"a"})").body,
              HasSubstr("oci_image is not supported"));
  EXPECT_THAT(Send("PUT", "plugins/catalog/sekret/x", "{}").body,
              HasSubstr("supported plugin type"));
  fixture_.catalog.register_result = absl::InvalidArgumentError("no");
  EXPECT_EQ(RegisterExample().status, 400);
  fixture_.catalog.register_result =
      absl::FailedPreconditionError("could not set plugin, plugin directory is not configured");
  const HttpResponse no_directory = RegisterExample();
  EXPECT_EQ(no_directory.status, 500);
  EXPECT_THAT(no_directory.body,
              HasSubstr(R"(1 error occurred:\n\t* could not set plugin, plugin directory is not)"));
}

TEST_F(PluginEndpointsTest, AReloadNamesAPluginOrMounts) {
  EXPECT_THAT(Send("PUT", "plugins/reload/backend", R"({"plugin":"kv"})").body,
              HasSubstr("\"data\":{\"reload_id\":\""));
  EXPECT_EQ(Send("PUT", "plugins/reload/unknown/kv", "{}").status, 200);
  EXPECT_EQ(Send("POST", "plugins/reload/backend", R"({"mounts":["secret/"]})").status, 200);
  EXPECT_EQ(Send("POST", "plugins/reload/backend", R"({"mounts":"a, b"})").status, 200);
  EXPECT_THAT(fixture_.mounts.reloaded, ElementsAre("kv", "kv", "secret/", "a", "b"));
  EXPECT_THAT(Send("PUT", "plugins/reload/secret/none", "{}").body,
              HasSubstr("\"warnings\":[\"no plugins were reloaded\"]"));
  EXPECT_THAT(Send("PUT", "plugins/reload/auth/kv", "{}").body, HasSubstr("no plugins"));
  for (const std::string body :
       {"{}", R"({"plugin":"kv","mounts":["a"]})", R"({"plugin":"kv","scope":"galaxy"})"}) {
    EXPECT_EQ(Send("PUT", "plugins/reload/backend", body).status, 400) << body;
  }
  fixture_.mounts.reload_result = absl::UnavailableError("it does not start");
  EXPECT_THAT(Send("PUT", "plugins/reload/backend", R"({"plugin":"kv"})").body,
              HasSubstr("it does not start"));
}

TEST_F(PluginEndpointsTest, AMountThatIsNotReloadedIsNamedAndKeepsNoOtherFromIt) {
  fixture_.mounts.failing_reloads = {{"b", absl::UnavailableError("it does not start")},
                                     {"d", absl::NotFoundError("no mount at d/")}};
  const HttpResponse answer =
      Send("PUT", "plugins/reload/backend", R"({"mounts":["a","b","c","d"]})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body,
            "{\"errors\":[\"not reloaded: b: it does not start; d: no mount at d/\"]}\n");
  EXPECT_THAT(fixture_.mounts.reloaded, ElementsAre("a", "b", "c", "d"));
}

TEST_F(PluginEndpointsTest, WhatTheHostInterruptsIs503) {
  const absl::Status stopping = absl::AbortedError("the server is stopping");
  fixture_.mounts.enable_result = stopping;
  fixture_.mounts.tune_result = stopping;
  fixture_.mounts.reload_result = stopping;
  fixture_.catalog.register_result = stopping;
  EXPECT_EQ(Send("POST", "mounts/x", R"({"type":"kv"})").status, 503);
  EXPECT_EQ(Send("POST", "mounts/secret/tune", "{}").status, 503);
  EXPECT_EQ(Send("PUT", "plugins/reload/backend", R"({"plugin":"kv"})").status, 503);
  EXPECT_EQ(Send("PUT", "plugins/reload/backend", R"({"mounts":"secret/"})").status, 503);
  EXPECT_EQ(RegisterExample().status, 503);
}

TEST_F(PluginEndpointsTest, TheProcessesTellOfCrashesAndOfTheNextStart) {
  fixture_.catalog.processes = {
      {.name = "kv",
       .version = "",
       .running = {{.pid = 7, .started = fixture_.clock.Now(), .mounts = {"a/", "b/"}}},
       .crashes = 3,
       .last_crash = "exited with code 2",
       .fruitless_restarts = 1,
       .next_restart = fixture_.clock.Now() + absl::Seconds(1)}};
  EXPECT_THAT(Send("GET", "plugins/processes").body,
              HasSubstr(R"("data":{"plugins":[{"crashes":3,"fruitless_restarts":1,)"
                        R"("last_crash":"exited with code 2","name":"kv",)"
                        R"("next_restart":"2026-11-23T05:58:32Z","running":[{"mounts":["a/","b/"],)"
                        R"("pid":7,"started":"2026-11-23T05:58:31Z"}],"version":""}]})"));
}

TEST_F(PluginEndpointsTest, WhoLacksSudoDoesNotSeeTheCatalog) {
  fixture_.authorizer.allowed = [](access::Capability capability, std::string_view) {
    return capability != access::Capability::kSudo;
  };
  HttpRequest request = AsRoot("GET", "/v1/sys/plugins/catalog");
  request.headers = {{"X-Vault-Token", "reader"}};
  EXPECT_EQ(fixture_.Send(std::move(request)).status, 403);
}

TEST_F(PluginEndpointsTest, TuningChangesWhatItNamesAndNothingElse) {
  EXPECT_EQ(Send("POST", "mounts/secret/tune",
                 R"({"options":null,"default_lease_ttl":"","max_lease_ttl":"30m0s"})")
                .status,
            204);
  ASSERT_THAT(fixture_.mounts.tuned, SizeIs(1));
  const auto& [path, tuning] = fixture_.mounts.tuned[0];
  EXPECT_EQ(path, "secret/");
  EXPECT_EQ(tuning.max_lease_ttl, absl::Minutes(30));
  EXPECT_FALSE(tuning.default_lease_ttl || tuning.description || tuning.plugin_version);
  EXPECT_THAT(tuning.options, SizeIs(0));
}

TEST_F(PluginEndpointsTest, TuningPassesWarningsOnAndSaysWhatItIgnores) {
  fixture_.mounts.tune_result = std::vector<std::string>{"Upgrading"};
  const HttpResponse response = Send(
      "POST", "mounts/secret/tune",
      R"({"options":{"version":"2"},"default_lease_ttl":"system","listing_visibility":"unauth"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(R"("warnings":["Upgrading",)"
                                       R"("this server cannot tune listing_visibility; )"));
  EXPECT_EQ(fixture_.mounts.tuned[0].second.default_lease_ttl, absl::ZeroDuration());
  EXPECT_EQ(fixture_.mounts.tuned[0].second.options.at("version"), "2");
}

TEST_F(PluginEndpointsTest, TuningInVainIsABadRequest) {
  EXPECT_EQ(Send("POST", "mounts/secret/tune", R"({"max_lease_ttl":"soon"})").status, 400);
  fixture_.mounts.tune_result = absl::NotFoundError("no mount");
  EXPECT_THAT(Send("POST", "mounts/none/tune", "{}").body,
              HasSubstr("No secret engine mount at none/"));
  fixture_.mounts.tune_result = absl::InvalidArgumentError("cannot downgrade mount from version 2");
  EXPECT_EQ(Send("POST", "mounts/secret/tune", "{}").status, 400);
  EXPECT_EQ(Send("DELETE", "mounts/secret/tune").status, 405);
}

}  // namespace
}  // namespace belfry::api
