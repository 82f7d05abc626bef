#include "cli/operator_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <map>
#include <sstream>

#include "cli/json_text.h"
#include "cli/operator_commands.h"
#include "cli/seal_status.h"
#include "cli/secret_input.h"

namespace belfry::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

boost::json::object Object(const char* text) {
  return boost::json::parse(text).as_object();
}

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// A command's world without a server and without a terminal.
struct World {
  explicit World(const std::string& input = "") : in(input) {}
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal{
      .in = &in, .out = &out, .err = &err, .environment = [](const char*) { return std::nullopt; }};
};

constexpr char kSealed[] = R"({"type":"shamir","initialized":true,"sealed":true,"t":2,"n":3,
    "progress":1,"nonce":"5f","version":"1.21.0","build_date":"","migration":false,
    "recovery_seal":false,"storage_type":"rocksdb"})";

TEST(SealStatusTest, ASealedServerShowsHowManyKeysItHasAndNoCluster) {
  EXPECT_EQ(SealStatusTable(Object(kSealed), {}),
            "Key                Value\n"
            "---                -----\n"
            "Seal Type          shamir\n"
            "Initialized        true\n"
            "Sealed             true\n"
            "Total Shares       3\n"
            "Threshold          2\n"
            "Unseal Progress    1/2\n"
            "Unseal Nonce       5f\n"
            "Version            1.21.0\n"
            "Build Date         n/a\n"
            "Storage Type       rocksdb\n"
            "HA Enabled         false\n");
}

TEST(SealStatusTest, AnUnsealedServerShowsItsClusterAndNoProgress) {
  EXPECT_EQ(SealStatusTable(Object(R"({"type":"shamir","initialized":true,"sealed":false,"t":2,
                "n":3,"progress":0,"nonce":"","version":"1","build_date":"d","cluster_name":"c",
                "cluster_id":"i","storage_type":"inmem"})"),
                            {.ha_enabled = true}),
            "Key             Value\n"
            "---             -----\n"
            "Seal Type       shamir\n"
            "Initialized     true\n"
            "Sealed          false\n"
            "Total Shares    3\n"
            "Threshold       2\n"
            "Version         1\n"
            "Build Date      d\n"
            "Storage Type    inmem\n"
            "Cluster Name    c\n"
            "Cluster ID      i\n"
            "HA Enabled      true\n");
}

TEST(SealStatusTest, TheLeadersFactsComeLastInJson) {
  EXPECT_EQ(CompactJson(SealStatusJson(Object(R"({"type":"shamir","sealed":true})"), {})),
            R"({"type":"shamir","sealed":true,"ha_enabled":false,)"
            R"("active_time":"0001-01-01T00:00:00Z"})");
}

constexpr char kMade[] =
    R"({"keys":["01","02"],"keys_base64":["AQ==","Ag=="],"root_token":"hvs.x"})";

TEST(InitTest, ScriptsFindKeysAndTokenInTheLinesThatVaultPrints) {
  EXPECT_THAT(
      InitText(Object(kMade), {.count = 2, .threshold = 2}),
      StartsWith("Unseal Key 1: AQ==\nUnseal Key 2: Ag==\n\nInitial Root Token: hvs.x\n\n"));
}

TEST(InitTest, JsonHasVaultsMembers) {
  EXPECT_EQ(CompactJson(InitJson(Object(kMade), {.count = 2, .threshold = 2})),
            R"({"unseal_keys_b64":["AQ==","Ag=="],"unseal_keys_hex":["01","02"],)"
            R"("unseal_shares":2,"unseal_threshold":2,"recovery_keys_b64":[],)"
            R"("recovery_keys_hex":[],"recovery_keys_shares":0,"recovery_keys_threshold":0,)"
            R"("root_token":"hvs.x"})");
}

TEST(InitTest, RecoveryKeysAreNotShownAsUnsealKeys) {
  const boost::json::object made =
      Object(R"({"keys":[],"keys_base64":[],"recovery_keys":["01","02"],)"
             R"("recovery_keys_base64":["AQ==","Ag=="],"root_token":"hvs.x"})");
  EXPECT_THAT(
      InitText(made, {.count = 2, .threshold = 2}),
      StartsWith("Recovery Key 1: AQ==\nRecovery Key 2: Ag==\n\nInitial Root Token: hvs.x\n\n"));
  EXPECT_EQ(CompactJson(InitJson(made, {.count = 2, .threshold = 2})),
            R"({"unseal_keys_b64":[],"unseal_keys_hex":[],"unseal_shares":0,)"
            R"("unseal_threshold":0,"recovery_keys_b64":["AQ==","Ag=="],)"
            R"("recovery_keys_hex":["01","02"],"recovery_keys_shares":2,)"
            R"("recovery_keys_threshold":2,"root_token":"hvs.x"})");
}

TEST(KeyStatusTest, ShowsTheTimeInUtcToTheMinute) {
  const auto key =
      Object(R"({"encryptions":24,"install_time":"2026-11-28T14:40:17.280776271+01:00","term":1})");
  EXPECT_EQ(KeyStatusText(key),
            "Key Term            1\n"
            "Install Time        28 Nov 26 13:40 UTC\n"
            "Encryption Count    24\n");
  EXPECT_EQ(CompactJson(KeyStatusJson(key)),
            R"({"term":1,"install_time":"2026-11-28T14:40:17.280776271+01:00","encryptions":24})");
  EXPECT_THAT(KeyStatusText(Object(R"({"install_time":"soon"})")),
              HasSubstr("Install Time        soon\n"));
}

TEST(RekeyTest, ShowsProgressOnlyOnceItIsStarted) {
  EXPECT_EQ(RekeyText(Object(R"({"nonce":"","started":false,"t":0,"n":0,"progress":0})")),
            "Key        Value\n---        -----\nNonce      n/a\nStarted    false\n");
  EXPECT_EQ(RekeyText(Object(R"({"nonce":"a5","started":true,"t":2,"n":3,"progress":1,
                "required":4,"verification_required":true,"verification_nonce":"b6"})")),
            "Key                      Value\n"
            "---                      -----\n"
            "Nonce                    a5\n"
            "Started                  true\n"
            "Rekey Progress           1/4\n"
            "New Shares               3\n"
            "New Threshold            2\n"
            "Verification Required    true\n"
            "Verification Nonce       b6\n");
}

TEST(RekeyTest, AVerificationNeedsTheNewThreshold) {
  EXPECT_THAT(
      RekeyVerificationText(Object(R"({"nonce":"b6","started":true,"t":2,"n":3,"progress":1})")),
      AllOf(HasSubstr("Verification Nonce       b6\n"),
            HasSubstr("Verification Progress    1/2\n")));
}

TEST(RekeyTest, NewKeysAreNumbered) {
  EXPECT_EQ(NewSharesText(Object(R"({"nonce":"a5","keys_base64":["AQ==","Ag=="]})")),
            "\nKey 1: AQ==\nKey 2: Ag==\n\nOperation nonce: a5\n\n");
}

TEST(RootGenerationTest, TheEncodedTokenIsShownWhenThereIsOne) {
  EXPECT_EQ(RootGenerationText(Object(R"({"nonce":"","started":false,"progress":0,"required":2,
                "complete":false,"encoded_token":"","otp":"","otp_length":28})")),
            "Nonce         n/a\n"
            "Started       false\n"
            "Progress      0/2\n"
            "Complete      false\n"
            "OTP Length    28\n");
  EXPECT_EQ(RootGenerationText(Object(R"({"nonce":"f0","started":true,"progress":2,"required":2,
                "complete":true,"encoded_token":"Xj4B","otp":"","otp_length":0})")),
            "Nonce            f0\n"
            "Started          true\n"
            "Progress         2/2\n"
            "Complete         true\n"
            "Encoded Token    Xj4B\n");
}

TEST(DecodeRootTokenTest, TakesTheOneTimePasswordOffWithAndWithoutPadding) {
  // A recorded one of Vault 1.21.
  const char* pad = "6Hr5OG0zx7zkJROt97142QFMHOmW";
  for (const char* encoded :
       {"Xj4BG38hVBwVfk8EOgc+O2EDBEV2JCchKX0gEA", "Xj4BG38hVBwVfk8EOgc+O2EDBEV2JCchKX0gEA=="}) {
    const auto token = DecodeRootToken(encoded, pad);
    ASSERT_TRUE(token.ok()) << token.status();
    EXPECT_EQ(*token, "hvs.0fdfmI5opUqOX45qDuala2MG");
  }
}

TEST(DecodeRootTokenTest, WhatDoesNotBelongTogetherIsRefused) {
  EXPECT_THAT(Message(DecodeRootToken("Xj4B", "four").status()),
              HasSubstr("has 4 bytes and the encoded token 3"));
  EXPECT_THAT(Message(DecodeRootToken("!", "x").status()), HasSubstr("not base64"));
  EXPECT_THAT(Message(DecodeRootToken("", "").status()), HasSubstr("not base64"));
}

TEST(MembersTest, WhatANodeDoesNotSayIsNotAvailable) {
  const auto status = Object(R"({"nodes":[{"hostname":"h","api_address":"","active_node":true,
      "version":"1.21.0","last_echo":null}]})");
  EXPECT_EQ(MembersText(status),
            "Host Name    API Address    Cluster Address    Active Node    Version    "
            "Upgrade Version    Redundancy Zone    Last Echo\n"
            "---------    -----------    ---------------    -----------    -------    "
            "---------------    ---------------    ---------\n"
            "h            n/a            n/a                true           1.21.0     "
            "n/a                n/a                n/a\n");
  EXPECT_THAT(CompactJson(MembersJson(status)), StartsWith(R"({"Nodes":[{"hostname":"h")"));
}

TEST(SecretInputTest, ComesFromTheArgumentOrFromAllOfStandardInput) {
  for (const auto& [input, argument] :
       std::map<std::string, std::string>{{"", " key "}, {"key\n", "-"}, {"  key", ""}}) {
    World world(input);
    const auto secret = ReadSecret(world.terminal, "unseal key", "? ", argument);
    ASSERT_TRUE(secret.ok()) << secret.status();
    EXPECT_EQ(*secret, "key");
    EXPECT_EQ(world.err.str() + world.out.str(), "");  // Nobody is asked.
  }
}

TEST(SecretInputTest, NothingAndSeveralAreRefused) {
  World none("\n");
  EXPECT_EQ(Message(ReadSecret(none.terminal, "unseal key", "? ", "").status()),
            "no unseal key was given");
  World several("first\nsecond\n");
  EXPECT_THAT(Message(ReadSecret(several.terminal, "unseal key", "? ", "-").status()),
              AllOf(HasSubstr("one unseal key is expected"), Not(HasSubstr("first"))));
}

TEST(ShareTest, AShareThatNobodyIsAskedForNeedsTheNonce) {
  const auto status = Object(R"({"nonce":"a5","started":true})");
  for (const char* argument : {"key", "-"}) {
    World world("key");
    EXPECT_EQ(Message(ReadShare(world.terminal, status, argument, "").status()),
              "Missing nonce value: specify it via the -nonce flag");
  }
  World world("key");
  const auto asked = ReadShare(world.terminal, status, "", "");
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ(asked->Body(), R"({"key":"key","nonce":"a5"})");
  EXPECT_EQ(world.err.str(), "Operation nonce: a5\n");
  const auto named = ReadShare(world.terminal, status, "key", "b6");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->nonce, "b6");
}

TEST(OperatorTest, WhatVaultHasAndThisServerNotIsRefusedWithTheReason) {
  const auto said = [](int (*run)(Terminal&, const std::vector<std::string>&),
                       const std::string& argument) {
    World world;
    EXPECT_EQ(run(world.terminal, {argument}), kUsageError);
    EXPECT_EQ(world.out.str(), "");
    return world.err.str();
  };
  EXPECT_THAT(said(RunOperatorInit, "-pgp-keys=a,b"),
              StartsWith("-pgp-keys is not supported: this server encrypts for no PGP keys"));
  EXPECT_THAT(said(RunOperatorUnseal, "-migrate"), StartsWith("-migrate is not supported: "));
  EXPECT_THAT(said(RunOperatorRekey, "-backup"), StartsWith("-backup is not supported: "));
  EXPECT_THAT(said(RunOperatorRekey, "-target=x"),
              StartsWith("-target must be barrier or recovery"));
  EXPECT_THAT(said(RunOperatorGenerateRoot, "-dr-token"),
              StartsWith("-dr-token is not supported: "));
}

TEST(OperatorTest, OneCommandDoesOneThing) {
  World world;
  EXPECT_EQ(RunOperatorRekey(world.terminal, {"-init", "-cancel"}), kUsageError);
  EXPECT_EQ(world.err.str(), "-init and -cancel cannot be used together\n");
  World with_key;
  EXPECT_EQ(RunOperatorGenerateRoot(with_key.terminal, {"-status", "key"}), kUsageError);
  EXPECT_EQ(with_key.err.str(), "Too many arguments (expected 0, got 1)\n");
}

TEST(OperatorTest, DecodingNeedsNoServer) {
  World world("6Hr5OG0zx7zkJROt97142QFMHOmW\n");
  EXPECT_EQ(
      RunOperatorGenerateRoot(world.terminal, {"-decode=Xj4BG38hVBwVfk8EOgc+O2EDBEV2JCchKX0gEA"}),
      kSuccess);
  EXPECT_EQ(world.out.str(), "hvs.0fdfmI5opUqOX45qDuala2MG");
  World both("x");
  EXPECT_EQ(RunOperatorGenerateRoot(both.terminal, {"-decode=-"}), kUsageError);
  EXPECT_THAT(both.err.str(), HasSubstr("must be given by -otp"));
}

}  // namespace
}  // namespace belfry::cli
