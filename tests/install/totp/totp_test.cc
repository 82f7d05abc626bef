#include "totp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"
#include "one_time_code.h"

namespace {

using belfry::testing::EventIs;
using belfry::testing::FailsWith;
using belfry::testing::IsData;
using belfry::testing::IsNoContent;
using belfry::testing::IsNotFound;
using testing::ElementsAre;

constexpr char kSecret[] = "12345678901234567890";

// RFC 6238, appendix B.
TEST(OneTimeCode, IsThatOfTheStandard) {
  EXPECT_EQ(OneTimeCode(kSecret, "SHA1", 8, 59 / 30), "94287082");
  EXPECT_EQ(OneTimeCode(kSecret, "SHA1", 8, 1111111109 / 30), "07081804");
  EXPECT_EQ(OneTimeCode("12345678901234567890123456789012", "SHA256", 8, 59 / 30), "46119246");
  EXPECT_EQ(FromBase32(ToBase32(kSecret)), kSecret);
  EXPECT_EQ(FromBase32("not base 32"), std::nullopt);
}

class Totp : public belfry::testing::OnBothHosts {
 protected:
  void Import(belfry::Json::Object more = {}) {
    more["key"] = ToBase32(kSecret);
    ASSERT_THAT(host_->Write("keys/alice", std::move(more)), IsNoContent());
  }
  std::string Code() { return *host_->Read("codes/alice")->data().at("code").if_string(); }
  belfry::Result Check(const std::string& code) {
    return host_->Write("codes/alice", {{"code", code}});
  }

  const std::unique_ptr<belfry::testing::TestHost> host_ = NewHost(DefineTotp);
};
BELFRY_RUN_ON_BOTH_HOSTS(Totp);

TEST_P(Totp, GeneratedKeysAreShownOnce) {
  const belfry::Result made =
      host_->Write("keys/alice", {{"generate", true}, {"issuer", "Bell"}, {"digits", 8}});
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->data().at("url").if_string()->find("otpauth://totp/Bell:?secret="), 0u);
  EXPECT_EQ(host_->Read("keys/alice")->data().count("secret"), 0u);
  EXPECT_EQ(Code().size(), 8u);
  EXPECT_THAT(host_->List("keys"), IsData(R"({"keys":["alice"]})"));
}

TEST_P(Totp, ACodeCountsOnceAndNoOlderOneAfterIt) {
  Import();
  const std::string code = Code();
  host_->Advance(absl::Seconds(30));
  EXPECT_THAT(Check(Code()), IsData(R"({"valid":true})"));
  EXPECT_THAT(Check(Code()), IsData(R"({"valid":false})"));
  EXPECT_THAT(Check(code), IsData(R"({"valid":false})"));
  host_->Advance(absl::Seconds(30));
  EXPECT_THAT(Check(Code()), IsData(R"({"valid":true})"));
  host_->Advance(absl::Minutes(5));
  EXPECT_THAT(Check(code), IsData(R"({"valid":false})"));
}

TEST_P(Totp, OnlyWhatIsAllowedMakesAKey) {
  EXPECT_THAT(host_->Write("keys/alice", {{"generate", true}, {"algorithm", "MD5"}}),
              FailsWith(absl::StatusCode::kInvalidArgument,
                        R"(expected one of "SHA1", "SHA256", "SHA512")"));
  EXPECT_THAT(host_->Write("keys/alice", {{"generate", true}, {"digits", 7}}),
              FailsWith(absl::StatusCode::kInvalidArgument, "expected one of 6, 8"));
  EXPECT_THAT(host_->Write("keys/alice", {{"key", "not base 32"}}),
              FailsWith(absl::StatusCode::kInvalidArgument, "key is not base 32"));
  EXPECT_THAT(host_->Write("keys/alice", {}),
              FailsWith(absl::StatusCode::kInvalidArgument, "either generate or key"));
  EXPECT_THAT(host_->Read("codes/alice"), IsNotFound());
  EXPECT_THAT(host_->events(), testing::IsEmpty());
}

TEST_P(Totp, KeysAreReplacedWhenTheyAreDue) {
  Import({{"rotation", "1h"}});
  host_->Advance(absl::Minutes(59));
  ASSERT_TRUE(host_->Tick().ok());
  const std::string before = **host_->storage().Get("keys/alice");
  host_->Advance(absl::Minutes(2));
  ASSERT_TRUE(host_->Tick().ok());
  EXPECT_NE(**host_->storage().Get("keys/alice"), before);
  EXPECT_THAT(host_->events(), ElementsAre(EventIs("totp/key-write", "keys/alice"),
                                           EventIs("totp/key-rotate", "keys/alice")));
}

TEST_P(Totp, ASessionEndsWithItsLease) {
  Import();
  EXPECT_THAT(host_->Write("sessions/alice", {{"code", "x"}}),
              FailsWith(absl::StatusCode::kPermissionDenied, ""));
  const belfry::Result session = host_->Write("sessions/alice", {{"code", Code()}, {"ttl", "10m"}});
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->lease()->ttl, absl::Minutes(10));
  EXPECT_EQ(host_->List("sessions")->data().at("keys").if_array()->size(), 1u);
  const auto renewed = host_->Renew("sessions/alice", *session, {.increment = absl::Hours(1)});
  EXPECT_EQ(renewed->lease()->ttl, absl::Hours(1));
  ASSERT_TRUE(host_->Revoke("sessions/alice", *session).ok());
  EXPECT_EQ(host_->List("sessions")->data().at("keys").if_array()->size(), 0u);
  EXPECT_THAT(host_->events(), ElementsAre(EventIs("totp/key-write", "keys/alice"),
                                           EventIs("totp/code-accept", "codes/alice"),
                                           EventIs("totp/session-begin", "sessions/alice"),
                                           EventIs("totp/session-end", "sessions/alice")));
}

TEST_P(Totp, WhatIsDeletedIsGone) {
  Import();
  ASSERT_THAT(host_->Delete("keys/alice"), IsNoContent());
  EXPECT_THAT(host_->Read("keys/alice"), IsNotFound());
  EXPECT_THAT(Check("123456"), FailsWith(absl::StatusCode::kNotFound, "no such key"));
}

}  // namespace
