#include "cli/kv_data.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <fstream>
#include <sstream>

#include "cli/json_text.h"

namespace belfry::cli {
namespace {

std::string Secret(const std::vector<std::string>& arguments, const std::string& input = "") {
  std::istringstream in(input);
  const auto secret = ParseSecret(arguments, in);
  return secret.ok() ? CompactJson(*secret) : std::string(secret.status().message());
}

TEST(ParseSecretTest, ValuesAreTextsAndMayContainEquals) {
  EXPECT_EQ(Secret({"a=1", "b=x=y", "c="}), R"({"a":"1","b":"x=y","c":""})");
}

TEST(ParseSecretTest, ARepeatedKeyBecomesAList) {
  EXPECT_EQ(Secret({"a=1", "a=2", "a=3"}), R"({"a":["1","2","3"]})");
}

TEST(ParseSecretTest, ADashIsTheInput) {
  EXPECT_EQ(Secret({"a=-"}, "line\n"), R"({"a":"line\n"})");
  EXPECT_EQ(Secret({"-"}, R"({"n":1,"o":{"p":null}})"), R"({"n":1,"o":{"p":null}})");
}

TEST(ParseSecretTest, NumbersStayAsTheyWereWritten) {
  for (const std::string number :
       {"1.10", "1.0", "-0", "1e400", "123456789012345678901234567890", "18446744073709551615",
        "18446744073709551616", "-9223372036854775808", "0.12345678901234567890123", "1E+2"}) {
    const std::string text = "{\"n\":" + number + ",\"l\":[" + number + ",{\"m\":" + number + "}]}";
    EXPECT_EQ(Secret({"-"}, text), text);
  }
}

TEST(ParseSecretTest, AnAtSignIsAFileUnlessItIsEscaped) {
  const std::string file = ::testing::TempDir() + "belfry_secret.json";
  std::ofstream(file) << R"({"from":"file"})";
  EXPECT_EQ(Secret({"@" + file}), R"({"from":"file"})");
  EXPECT_EQ(Secret({"a=@" + file}), R"({"a":"{\"from\":\"file\"}"})");
  EXPECT_EQ(Secret({"a=\\@home"}), R"({"a":"@home"})");
}

TEST(ParseSecretTest, AFileThatCannotBeReadIsRefusedWithTheReason) {
  EXPECT_EQ(Secret({"a=@/nowhere/at/all"}),
            "cannot read the file \"/nowhere/at/all\": No such file or directory");
  EXPECT_EQ(Secret({"@/"}), "cannot read the file \"/\": Is a directory");
}

TEST(ParseSecretTest, TheInputCanBeTakenOnce) {
  const std::string refusal = "- is given twice, but standard input can be read once";
  EXPECT_EQ(Secret({"a=-", "b=-"}, "x"), refusal);
  EXPECT_EQ(Secret({"-", "b=-"}, "{}"), refusal);
  EXPECT_EQ(Secret({"-", "-"}, "{}"), refusal);
}

TEST(ParseSecretTest, WhatIsNoTextIsRefused) {
  const std::string advice = " is not UTF-8 text; encode it first, for example with base64";
  EXPECT_EQ(Secret({"a=-"}, "\x7f\x45\xff"), "the value of \"a\"" + advice);
  EXPECT_EQ(Secret({"a=\xed\xa0\x80"}), "the value of \"a\"" + advice);
  EXPECT_EQ(Secret({"\xff=a"}), "a key" + advice);
  EXPECT_EQ(Secret({"a=-"}, std::string("\0gr\xc3\xbc\xc3\x9f", 7)),
            "{\"a\":\"\\u0000gr\xc3\xbc\xc3\x9f\"}");
}

TEST(ParseSecretTest, WhatIsNeitherIsRefused) {
  EXPECT_EQ(Secret({"novalue"}), "\"novalue\" is neither KEY=VALUE nor @file nor -");
  EXPECT_EQ(Secret({"-"}, "[1]"), "\"-\" holds no JSON object");
  EXPECT_EQ(Secret({"-"}, R"({"a":"x",})"), "\"-\" holds no JSON object: syntax error at byte 9");
  EXPECT_EQ(Secret({"-"}, R"({"a":)"), "\"-\" holds no JSON object: incomplete JSON at byte 5");
  EXPECT_EQ(Secret({"-"}, "{} x"), "\"-\" holds no JSON object: extra data at byte 3");
}

TEST(ParseVersionsTest, CommasAndRepeatedFlagsAddUp) {
  const auto versions = ParseVersions({"1, 2", "3"});
  ASSERT_TRUE(versions.ok());
  EXPECT_EQ(boost::json::serialize(*versions), R"(["1","2","3"])");
}

TEST(ParseVersionsTest, AWordIsNoVersion) {
  EXPECT_EQ(ParseVersions({"1,x"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseVersions({""}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ParseVersionsTest, TheFirstVersionIsOne) {
  for (const char* text : {"0", "00", "1,0", "-1"}) {
    EXPECT_EQ(ParseVersions({text}).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_TRUE(ParseVersions({"10"}).ok());
}

}  // namespace
}  // namespace belfry::cli
