// What is answered whether the server is sealed or not, over a real seal.
#include "server/process/process_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "server/builtin/testing.h"
#include "server/process/process_api_fixture.h"

namespace belfry::process {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ProcessApiTest, HealthSaysTheStateByItsStatusUnlessAnotherIsAskedFor) {
  EXPECT_EQ(Send("GET", "sys/health").status, 501);
  EXPECT_EQ(Send("HEAD", "sys/health?uninitcode=299").status, 299);
  const std::vector<std::string> keys = Initialize();
  EXPECT_EQ(Send("GET", "sys/health").status, 503);
  EXPECT_EQ(Send("GET", "sys/health?sealedcode=299").status, 299);
  EXPECT_EQ(Send("GET", "sys/health?activecode=299").status, 503);
  Unseal(keys[0]);
  Unseal(keys[1]);
  EXPECT_EQ(Send("GET", "sys/health?activecode=299").status, 299);
  EXPECT_EQ(Error(Send("GET", "sys/health?sealedcode=often")),
            "400 invalid parameter for sealedcode: often");
  // 2^32 + 200.
  EXPECT_EQ(Send("GET", "sys/health?activecode=4294967496").status, 400);
  EXPECT_EQ(Send("GET", "sys/health").body,
            R"({"initialized":true,"sealed":false,"standby":false,"performance_standby":false,)"
            R"("replication_performance_mode":"disabled","replication_dr_mode":"disabled",)"
            R"("server_time_utc":1795873033,"version":"1.21.0","enterprise":false,)"
            R"("cluster_name":"name","cluster_id":"id","echo_duration_ms":0,"clock_skew_ms":0,)"
            R"("replication_primary_canary_age_ms":0})"
            "\n");
}

TEST_F(ProcessApiTest, HealthAndAMetricSayThatTheStorageIsReadOnlyAndWhy) {
  Serve();
  EXPECT_EQ(metrics_->GetGauge("belfry_storage_read_only", "").Value(), 0);
  for (int i = 0; i < 2; ++i) storage_.BecomeReadOnly(absl::ResourceExhaustedError("disk full"));
  const json::object health = Json(Send("GET", "sys/health"));
  EXPECT_EQ(json::serialize(health.at("storage")), R"({"read_only":true,"reason":"disk full"})");
  EXPECT_EQ(metrics_->GetGauge("belfry_storage_read_only", "").Value(), 1);
}

TEST_F(ProcessApiTest, ATruthIsNoNumberOfShares) {
  EXPECT_THAT(Error(Send("PUT", "sys/init", R"({"secret_shares":true,"secret_threshold":true})")),
              HasSubstr("secret_shares"));
  EXPECT_FALSE(Json(Send("GET", "sys/init")).at("initialized").as_bool());
}

TEST_F(ProcessApiTest, WhoChangesTheSealIsInTheLogWithoutAnyKey) {
  const std::vector<std::string> keys = Initialize();
  SendRequest({.method = "PUT",
               .path = "/v1/sys/unseal",
               .body = Concat({R"({"key":")", keys[0], R"("})"}),
               .remote_address = "10.0.0.7"});
  Send("GET", "sys/rekey/init");
  Send("DELETE", "sys/rekey/init");
  EXPECT_THAT(
      log_->Lines(),
      ElementsAre(HasSubstr("path=sys/init method=PUT remote_address= status=200"),
                  HasSubstr("path=sys/unseal method=PUT remote_address=10.0.0.7 status=200"),
                  HasSubstr("path=sys/rekey/init method=DELETE remote_address= status=")));
  for (const std::string& line : log_->Lines()) EXPECT_THAT(line, Not(HasSubstr(keys[0])));
}

TEST_F(ProcessApiTest, LinesAboutTheSealAreBounded) {
  for (int i = 0; i < 200; ++i) Send("PUT", "sys/unseal", R"({"key":"00"})");
  EXPECT_LE(log_->Lines().size(), 40u);
}

TEST_F(ProcessApiTest, WhatKeyHoldersHaveDoneIsInTheLogHoweverManyOthersAsk) {
  const std::vector<std::string> keys = Serve();
  for (int i = 0; i < 200; ++i) Send("PUT", "sys/unseal", R"({"key":"00"})");
  // As a rekey, another one that is verified, and a new root token.
  const auto give = [this](const std::string& path, const std::string& key,
                           const std::string& nonce) {
    const std::string body = R"({"key":")" + key + R"(","nonce":")" + nonce + R"("})";
    return Json(SendRequest(
        {.method = "PUT", .path = "/v1/" + path, .body = body, .remote_address = "10.0.0.7"}));
  };
  const std::string wanted = R"({"secret_shares":1,"secret_threshold":1)";
  std::string nonce = Text(Json(Send("PUT", "sys/rekey/init", wanted + "}")), "nonce");
  give("sys/rekey/update", keys[0], nonce);
  const std::string second = KeysIn(give("sys/rekey/update", keys[1], nonce)).at(0);
  nonce = Text(Json(Send("PUT", "sys/rekey/init", wanted + R"(,"require_verification":true})")),
               "nonce");
  const json::object made = give("sys/rekey/update", second, nonce);
  const std::string third = KeysIn(made).at(0);
  give("sys/rekey/verify", third, Text(made, "verification_nonce"));
  nonce = Text(Json(Send("PUT", "sys/generate-root/attempt")), "nonce");
  give("sys/generate-root/update", third, nonce);

  std::vector<std::string> lines = log_->Lines();
  std::erase_if(lines, [](const std::string& line) {
    return line.find("answered a request") != std::string::npos;
  });
  const auto rekeyed =
      AllOf(HasSubstr("a rekey is complete"), HasSubstr("remote_address=10.0.0.7"));
  EXPECT_THAT(lines, ElementsAre(rekeyed, rekeyed,
                                 AllOf(HasSubstr("making a root token from shares of a key"),
                                       HasSubstr("remote_address=10.0.0.7"))));
}

TEST_F(ProcessApiTest, MetricsCountTheSyncsAndWhatTheyWrote) {
  storage_.NoteSync(3);
  storage_.NoteSync(1);
  EXPECT_EQ(metrics_->GetCounter("belfry_storage_syncs_total", "").Value(), 2);
  EXPECT_EQ(metrics_->GetCounter("belfry_storage_batches_total", "").Value(), 4);
}

TEST_F(ProcessApiTest, EnoughSharesUnsealInHexAndInBase64) {
  std::vector<std::string> keys = Initialize("keys_base64");
  EXPECT_EQ(Unseal(keys[0]).at("progress").as_int64(), 1);
  EXPECT_EQ(Unseal(keys[0]).at("progress").as_int64(), 1);
  std::string second;
  ASSERT_TRUE(absl::Base64Unescape(keys[1], &second));
  const json::object unsealed = Unseal(absl::BytesToHexString(second));
  EXPECT_FALSE(unsealed.at("sealed").as_bool());
  EXPECT_EQ(Text(unsealed, "cluster_name"), "name");
  // Unsealed already: the state, whatever the share.
  EXPECT_FALSE(Unseal("00").at("sealed").as_bool());
}

TEST_F(ProcessApiTest, WhatUnsealCannotUseIsSaidInVaultsWords) {
  EXPECT_EQ(Error(Send("PUT", "sys/unseal", R"({"key":"abcd"})")), "400 Vault is not initialized");
  const std::vector<std::string> keys = Initialize();
  EXPECT_EQ(Error(Send("PUT", "sys/unseal", "{}")),
            "400 'key' must be specified in request body as JSON, or 'reset' set to true");
  EXPECT_EQ(Error(Send("PUT", "sys/unseal", R"({"key":"zz!"})")),
            "400 'key' must be a valid hex or base64 string");
  Unseal(keys[0]);
  EXPECT_EQ(Json(Send("PUT", "sys/unseal", R"({"reset":true})")).at("progress").as_int64(), 0);
}

TEST_F(ProcessApiTest, ACoreThatDoesNotStartIsSaidAndTheServerStaysSealed) {
  const std::vector<std::string> keys = Initialize();
  lifecycle_.core_start = absl::DataLossError("a stored token cannot be read");
  Unseal(keys[0]);
  EXPECT_EQ(Error(Send("PUT", "sys/unseal", R"({"key":")" + keys[1] + R"("})")),
            "500 a stored token cannot be read");
  EXPECT_EQ(Send("GET", "sys/health").status, 503);
}

TEST_F(ProcessApiTest, BadConfigurationsAreRefusedAndNothingIsInitialized) {
  const std::pair<const char*, const char*> refused[] = {
      {"{}", "400 invalid seal configuration: shares must be at least one"},
      {R"({"secret_shares":300,"secret_threshold":2})",
       "400 invalid seal configuration: shares must be less than 256"},
      {R"({"secret_shares":9999999999,"secret_threshold":9999999999})",
       "400 invalid seal configuration: shares must be less than 256"},
      {R"({"secret_shares":3,"secret_threshold":2,"pgp_keys":["x"]})",
       "400 incorrect number of PGP keys"},
      {R"({"secret_shares":1,"secret_threshold":1,"recovery_shares":1})",
       "400 parameters recovery_shares not applicable to seal type shamir"},
      {R"({"recovery_shares":2,"recovery_threshold":2,"recovery_pgp_keys":["x","y"]})",
       "400 parameters recovery_shares,recovery_threshold,recovery_pgp_keys not applicable to seal "
       "type shamir"},
  };
  for (const auto& [body, error] : refused) EXPECT_EQ(Error(Send("PUT", "sys/init", body)), error);
  EXPECT_THAT(
      Error(Send("PUT", "sys/init", R"({"secret_shares":1,"secret_threshold":1,"pgp_keys":"x"})")),
      HasSubstr("PGP keys are not supported"));
  EXPECT_FALSE(Json(Send("GET", "sys/init")).at("initialized").as_bool());
}

// As Vault's Go client sends them.
TEST_F(ProcessApiTest, KeysThatAreLeftEmptyAskForNothing) {
  const api::HttpResponse made =
      Send("PUT", "sys/init",
           R"({"secret_shares":1,"secret_threshold":1,"stored_shares":0,"pgp_keys":null,)"
           R"("recovery_shares":0,"recovery_threshold":0,"recovery_pgp_keys":null,)"
           R"("root_token_pgp_key":""})");
  Unseal(KeysIn(Json(made)).at(0));
  EXPECT_EQ(Send("PUT", "sys/generate-root/attempt", R"({"otp":"","pgp_key":""})").status, 200);
}

TEST_F(ProcessApiTest, TheServerIsSealedBeforeWhoMayAskForItIsAnswered) {
  Serve();
  next_.allowed = api::SealServer();
  EXPECT_EQ(Send("PUT", "sys/seal").status, 204);
  EXPECT_EQ(Send("GET", "sys/health").status, 503);
}

TEST_F(ProcessApiTest, WhileItIsBeingUnsealedNothingSaysThatItIsSealedForGood) {
  Serve();
  lifecycle_.between = true;
  EXPECT_EQ(Send("GET", "sys/health").status, 503);
  EXPECT_EQ(Send("PUT", "sys/seal").status, 418);
}

TEST_F(ProcessApiTest, OnceItHasStoppedNothingIsChangedAndWhoAsksIsToldSo) {
  Serve();
  process_.Stop();
  next_.allowed = api::SealServer();
  EXPECT_EQ(Error(Send("PUT", "sys/seal")), "503 the server is stopping");
  EXPECT_EQ(Error(Send("GET", "sys/rekey/init")), "503 the server is stopping");
  EXPECT_FALSE(lifecycle_.status().seal.sealed());
}

TEST_F(ProcessApiTest, WhatIsToBeWrappedIsNotSentInTheClear) {
  api::HttpRequest request{.method = "PUT",
                           .path = "/v1/sys/init",
                           .body = R"({"secret_shares":1,"secret_threshold":1})"};
  request.headers.emplace_back("X-Vault-Wrap-TTL", "60");
  EXPECT_EQ(SendRequest(request).status, 400);
  EXPECT_EQ(process_.RefuseEarly(request, 0).value().status, 400);
  EXPECT_FALSE(lifecycle_.status().seal.initialized());
}

TEST_F(ProcessApiTest, WhatCanBeNoShareCountsAsNone) {
  Serve();
  const std::string nonce = Text(
      Json(Send("PUT", "sys/rekey/init", R"({"secret_shares":1,"secret_threshold":1})")), "nonce");
  for (const std::string& key : {std::string(), std::string("00"), std::string(68, '0')}) {
    EXPECT_EQ(
        Send("PUT", "sys/rekey/update", R"({"key":")" + key + R"(","nonce":")" + nonce + R"("})")
            .status,
        400)
        << key;
  }
  EXPECT_EQ(Json(Send("GET", "sys/rekey/init")).at("progress").as_int64(), 0);
}

TEST_F(ProcessApiTest, OnceItIsSealedNobodyIsAskedWhoMaySeal) {
  EXPECT_EQ(Send("PUT", "sys/seal").status, 204);
  EXPECT_EQ(Send("GET", "sys/seal").status, 418);
  Serve();
  EXPECT_EQ(Send("PUT", "sys/seal").status, 418);
}

TEST_F(ProcessApiTest, WhileItIsSealedKeysAreNeitherReplacedNorMade) {
  Initialize();
  for (const char* path :
       {"sys/rekey/init", "sys/rekey/verify", "sys/rekey/backup", "sys/generate-root/attempt"}) {
    EXPECT_EQ(Error(Send("GET", path)), "503 Vault is sealed") << path;
  }
}

std::vector<const Endpoint*> AllEndpoints() {
  std::vector<const Endpoint*> all;
  for (const auto family :
       {&StatusEndpoints, &UnsealEndpoints, &RekeyEndpoints, &RootGenerationEndpoints}) {
    for (const Endpoint& endpoint : family()) all.push_back(&endpoint);
  }
  return all;
}

TEST_F(ProcessApiTest, AFieldOfAWrongTypeIsRefusedByItsNameByEveryEndpoint) {
  int tried = 0;
  for (const Endpoint* endpoint : AllEndpoints()) {
    if (endpoint->method == Method::kRead) continue;
    for (const builtin::DeclaredField& field : endpoint->fields) {
      for (const std::string& value : builtin::TakenBy(field.kind).wrong) {
        const char* const method = endpoint->method == Method::kWrite ? "PUT" : "DELETE";
        EXPECT_THAT(
            Error(Send(method, std::string(endpoint->path), builtin::Body(field.name, value))),
            HasSubstr("400 Field validation failed: error converting input for field \"" +
                      std::string(field.name)))
            << endpoint->path << " " << value;
        ++tried;
      }
    }
  }
  EXPECT_GT(tried, 200);
}

TEST_F(ProcessApiTest, AnotherMethodIs405AndAnotherPathIsHandedOn) {
  EXPECT_EQ(Send("PATCH", "sys/health").status, 405);
  EXPECT_EQ(Send("DELETE", "sys/unseal").status, 405);
  EXPECT_EQ(Send("GET", "sys/health/").status, 501);
  for (const char* path : {"sys/health/x", "sys/mounts", "secret/sys/health", "sys/initx"}) {
    EXPECT_EQ(Send("GET", path).body, "/v1/" + std::string(path));
  }
}

TEST_F(ProcessApiTest, WithoutATokenABodyIsSmall) {
  const api::HttpRequest unseal{.method = "PUT", .path = "/v1/sys/unseal"};
  EXPECT_FALSE(process_.RefuseEarly(unseal, 4096).has_value());
  EXPECT_EQ(process_.RefuseEarly(unseal, 4097).value().status, 413);
  EXPECT_EQ(Send("PUT", "sys/unseal", std::string(4096, ' ')).status, 400);
  EXPECT_EQ(Send("PUT", "sys/unseal", std::string(4097, ' ')).status, 413);
  const api::HttpRequest other{.method = "PUT", .path = "/v1/secret/a"};
  EXPECT_EQ(process_.RefuseEarly(other, 1).value().status, 418);
}

TEST_F(ProcessApiTest, AnotherNamespaceIsRefusedHereToo) {
  api::HttpRequest request{.method = "GET", .path = "/v1/sys/health"};
  request.headers.emplace_back("X-Vault-Namespace", "team");
  EXPECT_EQ(SendRequest(request).status, 400);
  EXPECT_EQ(process_.RefuseEarly(request, 0).value().status, 400);
}

TEST_F(ProcessApiTest, MetricsAreForEveryoneWhereTheListenerSaysSo) {
  metrics_->GetGauge("belfry_some_gauge", "One.").Add(1);
  api::HttpRequest request{.method = "GET", .path = "/v1/sys/metrics", .open_metrics = true};
  const api::HttpResponse answer = SendRequest(request);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("belfry_some_gauge 1"));
  request.query = {{"format", "json"}};
  EXPECT_EQ(SendRequest(request).status, 400);
  // The rest is not.
  request.path = "/v1/sys/mounts";
  EXPECT_EQ(SendRequest(request).status, 418);
  request = {.method = "GET", .path = "/v1/sys/metrics"};
  EXPECT_EQ(SendRequest(request).status, 418);
}

}  // namespace
}  // namespace belfry::process
