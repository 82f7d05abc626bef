#include <gtest/gtest.h>

#include "server/process/process_api_fixture.h"

namespace belfry::process {
namespace {

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

TEST_F(ProcessApiTest, WhatPeopleUnsealHasNoRecoveryKeysToReplace) {
  Serve();
  EXPECT_EQ(Error(Send("PUT", "sys/rekey-recovery-key/init",
                       R"({"secret_shares":1,"secret_threshold":1})")),
            "400 recovery rekeying not supported: people unseal this server, and sys/rekey "
            "replaces their keys");
}

}  // namespace
}  // namespace belfry::process
