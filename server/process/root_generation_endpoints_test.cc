#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "server/process/process_api_fixture.h"

namespace belfry::process {
namespace {

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

}  // namespace
}  // namespace belfry::process
