// What is answered whether the server is sealed or not, over a real seal.
#include "server/process/process_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/testing.h"
#include "base/text.h"
#include "server/builtin/testing.h"
#include "server/seal/testing.h"

namespace belfry::process {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRootToken[] = "hvs.0123456789abcdefghijklmn";

// Its core is a flag.
class FakeLifecycle final : public Lifecycle {
 public:
  absl::Status core_start;
  // As while the core starts or stops.
  bool between = false;

  explicit FakeLifecycle(const seal::AutoSeal* auto_seal = nullptr)
      : seal_(*seal::SealManager::Open(&below_, &clock_, auto_seal)) {}

  Status status() const override {
    Status status{.seal = seal_->status()};
    status.serving = !status.seal.sealed() && !between;
    if (status.serving) status.names = {.cluster_name = "name", .cluster_id = "id"};
    return status;
  }
  absl::StatusOr<Initialized> Initialize(const seal::SealConfiguration& configuration) override {
    auto shares = seal_->Initialize(configuration, [] { return absl::OkStatus(); });
    if (!shares.ok()) return shares.status();
    return Initialized{.shares = *std::move(shares), .root_token = kRootToken};
  }
  absl::StatusOr<Status> Unseal(seal::SecretBytes share) override {
    return Serve(seal_->Unseal(std::move(share)));
  }
  absl::StatusOr<Status> UnsealByItself() override { return Serve(seal_->UnsealByItself()); }
  absl::StatusOr<Status> Serve(const absl::StatusOr<seal::SealManager::Status>& unsealed) {
    if (!unsealed.ok()) return unsealed.status();
    if (!unsealed->sealed() && !core_start.ok()) {
      seal_->Seal();
      return core_start;
    }
    return status();
  }
  void ResetUnseal() override { seal_->ResetUnseal(); }
  void Seal() override { seal_->Seal(); }
  absl::StatusOr<std::string> NewRootToken(const seal::RootGeneration::Permit&) override {
    return kRootToken;
  }
  seal::Rekey& rekey() override { return seal_->rekey(); }
  seal::RootGeneration& root_generation() override { return seal_->root_generation(); }

 private:
  FakeClock clock_{absl::FromUnixSeconds(1795873033)};
  seal::OpenStorage below_;
  const std::unique_ptr<seal::SealManager> seal_;
};

// Says what it was asked.
class NextApi final : public api::Api {
 public:
  bool asks_to_seal = false;
  void Handle(api::HttpRequest request, api::Respond respond) override {
    if (asks_to_seal) return respond(api::SealServer());
    respond(api::HttpResponse{.status = 418, .body = request.path});
  }
  std::optional<api::HttpResponse> RefuseEarly(const api::HttpRequest&,
                                               std::uint64_t) const override {
    return api::HttpResponse{.status = 418};
  }
};

class ProcessApiTest : public ::testing::Test {
 protected:
  explicit ProcessApiTest(const seal::AutoSeal* auto_seal = nullptr) : lifecycle_(auto_seal) {}

  api::HttpResponse Send(std::string method, std::string path, std::string body = "") {
    api::HttpRequest request{.method = std::move(method), .body = std::move(body)};
    if (const std::size_t at = path.find('?'); at != std::string::npos) {
      const std::size_t equals = path.find('=', at);
      request.query.emplace_back(path.substr(at + 1, equals - at - 1), path.substr(equals + 1));
      path.resize(at);
    }
    request.path = "/v1/" + path;
    return SendRequest(std::move(request));
  }
  api::HttpResponse SendRequest(api::HttpRequest request) {
    std::promise<api::HttpResponse> answer;
    process_.Handle(std::move(request), [&answer](api::Outcome outcome) {
      answer.set_value(std::get<api::HttpResponse>(std::move(outcome)));
    });
    return answer.get_future().get();
  }
  // "400 text" of an error.
  std::string Error(const api::HttpResponse& answer) {
    const json::value body = json::parse(answer.body);
    return std::to_string(answer.status) + " " +
           std::string(body.at("errors").as_array().at(0).as_string());
  }
  json::object Json(const api::HttpResponse& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body).as_object();
  }
  static std::string Text(const json::object& object, const char* name) {
    return std::string(object.at(name).as_string());
  }

  std::vector<std::string> Initialize(const char* members = "keys") {
    const json::object made =
        Json(Send("PUT", "sys/init", R"({"secret_shares":3,"secret_threshold":2})"));
    EXPECT_EQ(Text(made, "root_token"), kRootToken);
    return KeysIn(made, members);
  }
  static std::vector<std::string> KeysIn(const json::object& answer, const char* members = "keys") {
    std::vector<std::string> keys;
    for (const json::value& key : answer.at(members).as_array()) {
      keys.emplace_back(key.as_string());
    }
    return keys;
  }
  json::object Unseal(const std::string& key) {
    return Json(Send("PUT", "sys/unseal", R"({"key":")" + key + R"("})"));
  }
  // Initialized and unsealed; the shares.
  std::vector<std::string> Serve() {
    std::vector<std::string> keys = Initialize();
    Unseal(keys[0]);
    EXPECT_FALSE(Unseal(keys[2]).at("sealed").as_bool());
    return keys;
  }

  FakeClock clock_{absl::FromUnixSeconds(1795873033)};
  NextApi next_;
  FakeLifecycle lifecycle_;
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  FakeScheduler scheduler_{&clock_};
  StorageHealth storage_{metrics_.get(), Logger()};
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  ProcessApi process_{
      &next_,
      &lifecycle_,
      {.clock = &clock_, .version = "1.21.0", .storage_type = "inmem", .storage = &storage_},
      &scheduler_,
      Logger(log_, "core"),
      Limits()};
};

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

TEST_F(ProcessApiTest, NothingButANumberIsANumberAndNothingButABooleanIsOne) {
  for (const std::string_view wrong : {"true", R"("3")", R"("")", "[3]", "{}", "1.5"}) {
    for (const std::string_view field : {"secret_shares", "secret_threshold", "stored_shares"}) {
      for (const char* path : {"sys/init", "sys/rekey/init"}) {
        const api::HttpResponse refused =
            Send("PUT", path, Concat({"{\"", field, "\":", wrong, "}"}));
        EXPECT_EQ(refused.status, 400) << path << " " << field << " " << wrong;
        EXPECT_THAT(refused.body, HasSubstr(std::string(field))) << wrong;
      }
    }
  }
  for (const std::string_view wrong : {"1", R"("true")", R"("")", "[]"}) {
    const std::string rekey = Concat({R"({"require_verification":)", wrong, "}"});
    EXPECT_THAT(Send("PUT", "sys/rekey/init", rekey).body, HasSubstr("require_verification"));
    const std::string unseal = Concat({R"({"reset":)", wrong, "}"});
    EXPECT_THAT(Send("PUT", "sys/unseal", unseal).body, HasSubstr("reset"));
  }
  EXPECT_EQ(Json(Send("GET", "sys/init")).at("initialized").as_bool(), false);
}

TEST_F(ProcessApiTest, WhoChangesTheSealIsInTheLogWithoutAnyKey) {
  const std::vector<std::string> keys = Initialize();
  SendRequest({.method = "PUT",
               .path = "/v1/sys/unseal",
               .body = Concat({R"({"key":")", keys[0], R"("})"}),
               .remote_address = "10.0.0.7"});
  Send("GET", "sys/rekey/init");
  Send("DELETE", "sys/rekey/init");
  EXPECT_THAT(log_->Lines(),
              ElementsAre(HasSubstr("path=sys/init method=PUT from= status=200"),
                          HasSubstr("path=sys/unseal method=PUT from=10.0.0.7 status=200"),
                          HasSubstr("path=sys/rekey/init method=DELETE from= status=")));
  for (const std::string& line : log_->Lines()) EXPECT_THAT(line, Not(HasSubstr(keys[0])));
}

TEST_F(ProcessApiTest, LinesAboutTheSealAreBounded) {
  for (int i = 0; i < 200; ++i) Send("PUT", "sys/unseal", R"({"key":"00"})");
  EXPECT_LE(log_->Lines().size(), 40u);
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
  next_.asks_to_seal = true;
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
  next_.asks_to_seal = true;
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

TEST_F(ProcessApiTest, RekeyingWithVerificationReplacesTheSharesOnceTheNewOnesHaveComeBack) {
  const std::vector<std::string> old = Serve();
  const json::object begun =
      Json(Send("PUT", "sys/rekey/init",
                R"({"secret_shares":2,"secret_threshold":2,"require_verification":true})"));
  const auto give = [&](const char* path, const std::string& key, const std::string& nonce) {
    return Json(Send("PUT", path, R"({"key":")" + key + R"(","nonce":")" + nonce + R"("})"));
  };
  give("sys/rekey/update", old[0], Text(begun, "nonce"));
  const json::object done = give("sys/rekey/update", old[1], Text(begun, "nonce"));
  EXPECT_TRUE(done.at("complete").as_bool());
  const std::vector<std::string> made = KeysIn(done);
  ASSERT_EQ(made.size(), 2u);
  const std::string nonce = Text(done, "verification_nonce");
  EXPECT_EQ(give("sys/rekey/verify", made[0], nonce).at("progress").as_int64(), 1);
  const json::object restarted = Json(Send("DELETE", "sys/rekey/verify"));
  EXPECT_EQ(restarted.at("progress").as_int64(), 0);
  give("sys/rekey/verify", made[0], Text(restarted, "nonce"));
  EXPECT_TRUE(give("sys/rekey/verify", made[1], Text(restarted, "nonce")).at("complete").as_bool());

  lifecycle_.Seal();
  Unseal(made[0]);
  EXPECT_FALSE(Unseal(made[1]).at("sealed").as_bool());
}

TEST_F(ProcessApiTest, ARekeyIsCancelledByItsNonceInTheBodyOrTheQuery) {
  Serve();
  for (const bool in_body : {true, false}) {
    const std::string nonce =
        Text(Json(Send("PUT", "sys/rekey/init", R"({"secret_shares":1,"secret_threshold":1})")),
             "nonce");
    EXPECT_EQ(Send("DELETE", "sys/rekey/init").status, 400);
    const api::HttpResponse cancelled =
        in_body ? Send("DELETE", "sys/rekey/init", R"({"nonce":")" + nonce + R"("})")
                : Send("DELETE", "sys/rekey/init?nonce=" + nonce);
    EXPECT_EQ(cancelled.status, 204);
  }
}

TEST_F(ProcessApiTest, ARootTokenIsHandedOutUnderTheOneTimePadOfWhoBegan) {
  const std::vector<std::string> keys = Serve();
  const json::object begun = Json(Send("PUT", "sys/generate-root/attempt"));
  const std::string otp = Text(begun, "otp");
  ASSERT_EQ(otp.size(), std::string(kRootToken).size());
  // Nobody else is told it.
  EXPECT_EQ(Text(Json(Send("GET", "sys/generate-root/attempt")), "otp"), "");
  json::object given;
  for (const std::size_t share : {0, 1}) {
    given =
        Json(Send("PUT", "sys/generate-root/update",
                  R"({"key":")" + keys[share] + R"(","nonce":")" + Text(begun, "nonce") + R"("})"));
  }
  EXPECT_TRUE(given.at("complete").as_bool());
  std::string token;
  ASSERT_TRUE(absl::Base64Unescape(Text(given, "encoded_token"), &token));
  for (std::size_t i = 0; i < token.size(); ++i) token[i] ^= otp[i];
  EXPECT_EQ(token, kRootToken);
}

TEST_F(ProcessApiTest, AOneTimePadOfAnotherLengthIsRefused) {
  Serve();
  EXPECT_EQ(Error(Send("PUT", "sys/generate-root/attempt", R"({"otp":"short"})")),
            "400 OTP string is wrong length");
  EXPECT_FALSE(Json(Send("GET", "sys/generate-root/attempt")).at("started").as_bool());
}

TEST_F(ProcessApiTest, WhileItIsSealedKeysAreNeitherReplacedNorMade) {
  Initialize();
  for (const char* path :
       {"sys/rekey/init", "sys/rekey/verify", "sys/rekey/backup", "sys/generate-root/attempt"}) {
    EXPECT_EQ(Error(Send("GET", path)), "503 Vault is sealed") << path;
  }
}

struct WithAutoSeal {
  seal::FakeAutoSeal auto_seal;
};

// A server that unseals by itself.
class AutoSealTest : private WithAutoSeal, public ProcessApiTest {
 protected:
  AutoSealTest() : ProcessApiTest(&auto_seal) {}

  json::object Initialize() {
    return Json(Send("PUT", "sys/init", R"({"recovery_shares":3,"recovery_threshold":2})"));
  }
  bool Sealed() { return Json(Send("GET", "sys/seal-status")).at("sealed").as_bool(); }
  // Something else that changes the state has had its turn since.
  void AwaitChanges() { Send("GET", "sys/rekey/init"); }

  using WithAutoSeal::auto_seal;
};

TEST_F(AutoSealTest, InitializingGivesRecoveryKeysAndUnseals) {
  EXPECT_EQ(Send("GET", "sys/seal-status").body,
            R"({"type":"file","initialized":false,"sealed":true,"t":0,"n":0,"progress":0,)"
            R"("nonce":"","version":"1.21.0","build_date":"","migration":false,)"
            R"("recovery_seal":true,"recovery_seal_type":"shamir","storage_type":"inmem"})"
            "\n");
  const json::object made = Initialize();
  EXPECT_EQ(json::serialize(made.at("keys")), "[]");
  EXPECT_EQ(json::serialize(made.at("keys_base64")), "[]");
  EXPECT_EQ(KeysIn(made, "recovery_keys").size(), 3u);
  EXPECT_EQ(KeysIn(made, "recovery_keys_base64").size(), 3u);
  EXPECT_EQ(Text(made, "root_token"), kRootToken);
  EXPECT_EQ(Send("GET", "sys/seal-status").body,
            R"({"type":"file","initialized":true,"sealed":false,"t":2,"n":3,"progress":0,)"
            R"("nonce":"","version":"1.21.0","build_date":"","migration":false,)"
            R"("cluster_name":"name","cluster_id":"id",)"
            R"("recovery_seal":true,"recovery_seal_type":"shamir","storage_type":"inmem"})"
            "\n");
}

TEST_F(AutoSealTest, WhatIsAboutUnsealKeysIsRefusedAtInit) {
  const std::pair<const char*, const char*> refused[] = {
      {R"({"secret_shares":5,"secret_threshold":3})",
       "400 parameters secret_shares,secret_threshold not applicable to seal type file"},
      {R"({"secret_shares":5,"pgp_keys":["x"],"recovery_shares":1,"recovery_threshold":1})",
       "400 parameters secret_shares,pgp_keys not applicable to seal type file"},
      {"{}", "400 invalid recovery configuration: shares must be at least one"},
  };
  for (const auto& [body, error] : refused) EXPECT_EQ(Error(Send("PUT", "sys/init", body)), error);
  EXPECT_THAT(
      Error(Send("PUT", "sys/init",
                 R"({"recovery_shares":1,"recovery_threshold":1,"recovery_pgp_keys":["x"]})")),
      HasSubstr("PGP keys are not supported"));
  EXPECT_FALSE(lifecycle_.status().seal.initialized());
}

TEST_F(AutoSealTest, ASealThatFailsIsSaidAtInitAndNothingIsInitialized) {
  auto_seal.fails = absl::FailedPreconditionError("the key file is missing");
  EXPECT_EQ(Error(Send("PUT", "sys/init", R"({"recovery_shares":1,"recovery_threshold":1})")),
            "500 the key file is missing");
  EXPECT_FALSE(lifecycle_.status().seal.initialized());
  auto_seal.fails = absl::OkStatus();
  Initialize();
  EXPECT_FALSE(Sealed());
}

TEST_F(AutoSealTest, RecoveryKeysDoNotUnseal) {
  const std::vector<std::string> keys = KeysIn(Initialize(), "recovery_keys");
  lifecycle_.Seal();
  for (const std::string& key : keys) {
    EXPECT_THAT(Error(Send("PUT", "sys/unseal", R"({"key":")" + key + R"("})")),
                HasSubstr("400 this server unseals by itself (seal type file) and takes no unseal "
                          "keys"));
  }
  EXPECT_TRUE(Sealed());
}

TEST_F(AutoSealTest, WhatFailsIsTriedAgainWithPausesThatGrowUntilItIsUnsealed) {
  Initialize();
  lifecycle_.Seal();
  auto_seal.fails = absl::UnavailableError("the KMS is away");
  process_.UnsealByItself();
  for (const int seconds : {5, 10, 20, 40, 60, 60}) {
    AwaitChanges();
    EXPECT_EQ(scheduler_.Next() - clock_.Now(), absl::Seconds(seconds));
    scheduler_.Advance(absl::Seconds(seconds));
  }
  AwaitChanges();
  EXPECT_TRUE(Sealed());
  auto_seal.fails = absl::OkStatus();
  scheduler_.Advance(absl::Minutes(1));
  AwaitChanges();
  EXPECT_FALSE(Sealed());
  EXPECT_EQ(scheduler_.Next(), absl::InfiniteFuture());
}

TEST_F(AutoSealTest, OnceItIsSealedByHandItStaysSealed) {
  Initialize();
  next_.asks_to_seal = true;
  EXPECT_EQ(Send("PUT", "sys/seal").status, 204);
  scheduler_.Advance(absl::Hours(1));
  AwaitChanges();
  EXPECT_TRUE(Sealed());
}

TEST_F(AutoSealTest, AfterTheStopNothingIsTried) {
  Initialize();
  lifecycle_.Seal();
  auto_seal.fails = absl::UnavailableError("the KMS is away");
  process_.UnsealByItself();
  AwaitChanges();
  process_.Stop();
  EXPECT_EQ(scheduler_.Next(), absl::InfiniteFuture());
}

TEST_F(AutoSealTest, RecoveryKeysMakeARootToken) {
  const std::vector<std::string> keys = KeysIn(Initialize(), "recovery_keys");
  const json::object begun = Json(Send("PUT", "sys/generate-root/attempt"));
  EXPECT_EQ(begun.at("required").as_int64(), 2);
  const auto give = [&](const std::string& key) {
    return Send("PUT", "sys/generate-root/update",
                R"({"key":")" + key + R"(","nonce":")" + Text(begun, "nonce") + R"("})");
  };
  give(keys[0]);
  EXPECT_EQ(Error(give(std::string(66, '1'))),
            "400 the given keys do not make the recovery key; give them again");
  give(keys[2]);
  EXPECT_TRUE(Json(give(keys[1])).at("complete").as_bool());
}

TEST_F(AutoSealTest, ThereAreNoUnsealKeysToReplaceAndRecoveryKeysAreNotReplacedYet) {
  Initialize();
  EXPECT_EQ(Error(Send("PUT", "sys/rekey/init", R"({"secret_shares":1,"secret_threshold":1})")),
            "400 this server unseals by itself (seal type file): there are no unseal keys, and its "
            "recovery keys cannot be replaced yet");
  EXPECT_EQ(Error(Send("PUT", "sys/rekey-recovery-key/init", "{}")),
            "400 recovery keys cannot be replaced yet");
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
  EXPECT_FALSE(process_.RefuseEarly(unseal, api::kMaxUnaskedBodyBytes).has_value());
  EXPECT_EQ(process_.RefuseEarly(unseal, api::kMaxUnaskedBodyBytes + 1).value().status, 413);
  const api::HttpRequest other{.method = "PUT", .path = "/v1/secret/a"};
  EXPECT_EQ(process_.RefuseEarly(other, 1).value().status, 418);
}

TEST_F(ProcessApiTest, AnotherNamespaceIsRefusedHereToo) {
  api::HttpRequest request{.method = "GET", .path = "/v1/sys/health"};
  request.headers.emplace_back("X-Vault-Namespace", "team");
  EXPECT_EQ(SendRequest(request).status, 400);
  EXPECT_EQ(process_.RefuseEarly(request, 0).value().status, 400);
}

}  // namespace
}  // namespace belfry::process
