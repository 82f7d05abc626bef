#include "server/process/auto_unsealer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/process/process_api_fixture.h"

namespace belfry::process {
namespace {

using ::testing::HasSubstr;

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
  next_.allowed = api::SealServer();
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

TEST_F(AutoSealTest, ThereAreNoUnsealKeysToReplace) {
  Initialize();
  EXPECT_EQ(Error(Send("PUT", "sys/rekey/init", R"({"secret_shares":1,"secret_threshold":1})")),
            "400 this server unseals by itself (seal type file): there are no unseal keys; "
            "sys/rekey-recovery-key replaces its recovery keys");
}

TEST_F(AutoSealTest, ItsRecoveryKeysAreReplaced) {
  const std::vector<std::string> old = KeysIn(Initialize(), "recovery_keys");
  AwaitChanges();
  const std::string nonce =
      Text(Json(Send("PUT", "sys/rekey-recovery-key/init",
                     R"({"secret_shares":1,"secret_threshold":1,"require_verification":true})")),
           "nonce");
  const auto give = [this](const char* path, const std::string& key, const std::string& name) {
    return Json(Send("PUT", path, R"({"key":")" + key + R"(","nonce":")" + name + R"("})"));
  };
  give("sys/rekey-recovery-key/update", old[0], nonce);
  const json::object made = give("sys/rekey-recovery-key/update", old[1], nonce);
  EXPECT_TRUE(made.at("complete").as_bool());
  const std::vector<std::string> keys = KeysIn(made);
  ASSERT_EQ(keys.size(), 1);
  EXPECT_TRUE(give("sys/rekey-recovery-key/verify", keys[0], Text(made, "verification_nonce"))
                  .at("complete")
                  .as_bool());
  const json::object status = Json(Send("GET", "sys/rekey-recovery-key/init"));
  EXPECT_EQ(status.at("required").as_int64(), 1);
}

}  // namespace
}  // namespace belfry::process
