#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "cli/explain_output.h"
#include "cli/json_text.h"
#include "cli/kv_output.h"
#include "cli/table.h"

namespace belfry::cli {
namespace {

boost::json::object Object(const char* text) {
  return boost::json::parse(text).as_object();
}

TEST(IndentedTest, KeepsNumbersAndStringsAsTheyWereWritten) {
  EXPECT_EQ(Indented(R"({"n":123456789012345678901234567890.10,"s":"{,\"}","a":[1,{}],"e":[ ]})"),
            "{\n  \"n\": 123456789012345678901234567890.10,\n  \"s\": \"{,\\\"}\",\n"
            "  \"a\": [\n    1,\n    {}\n  ],\n  \"e\": []\n}");
}

TEST(OneLineTest, ShowsTextBareAndNullAsNil) {
  EXPECT_EQ(OneLine(boost::json::parse("\"x\"")), "x");
  EXPECT_EQ(OneLine(boost::json::parse("null")), "<nil>");
  EXPECT_EQ(OneLine(boost::json::parse(R"({"a":[1.5,true]})")), R"({"a":[1.5,true]})");
}

TEST(KvOutputTest, ASecretShowsItsPathMetadataAndData) {
  EXPECT_EQ(SecretTables("secret/data/foo",
                         Object(R"({"data":{"foo":"a"},"metadata":)"
                                R"({"version":1,"custom_metadata":null,"deletion_time":""}})")),
            "= Secret Path =\nsecret/data/foo\n\n"
            "======= Metadata =======\n"
            "Key                Value\n---                -----\n"
            "custom_metadata    <nil>\ndeletion_time      n/a\nversion            1\n\n"
            "=== Data ===\nKey    Value\n---    -----\nfoo    a\n");
}

TEST(KvOutputTest, ADeletedVersionShowsNoData) {
  EXPECT_EQ(SecretTables("s", Object(R"({"data":null,"metadata":{"version":1}})")).find("Data ="),
            std::string::npos);
}

TEST(KvOutputTest, VersionsAreInOrderOfNumber) {
  const std::string text =
      MetadataTables("m", Object(R"({"versions":{"10":{"a":1},"9":{"a":1}}})"));
  EXPECT_LT(text.find("Version 9"), text.find("Version 10"));
}

TEST(KvOutputTest, KeysAreOneALine) {
  EXPECT_EQ(KeyList(boost::json::parse(R"(["a","b/"])").as_array()), "Keys\n----\na\nb/\n");
}

TEST(ExplanationTextTest, NamesTheLinesThatDecideAndThoseThatWouldGrant) {
  EXPECT_EQ(
      ExplanationText(Object(
          R"({"connect":{"path":"sys/events/subscribe/kv*","verdict":"granted","reason":"r",)"
          R"("rules":[{"policy":"a","line":1,"column":6},{"policy":"b","line":9,"column":8}],)"
          R"("grant":""},"mounts":[{"mount":"secret/","patterns":[{"path":"secret/*",)"
          R"("verdict":"denied","reason":"no","rules":[],"grant":"path x\n"},)"
          R"({"path":"p","verdict":"denied","reason":"no","rules":[],"grant":"path x\n"}]}]})")),
      "Mount      Path                        Verdict    Policy Line     Reason\n"
      "-----      ----                        -------    -----------     ------\n"
      "n/a        sys/events/subscribe/kv*    granted    a:1:6, b:9:8    r\n"
      "secret/    secret/*                    denied     n/a             no\n"
      "secret/    p                           denied     n/a             no\n"
      "\n"
      "Each of these, added to one of the token's policies, grants what is not granted:\n"
      "\n"
      "path x\n");
}

TEST(ExplanationTextTest, ShowsWhatAnotherServerMayAnswer) {
  EXPECT_EQ(
      ExplanationText(Object(R"({"connect":{},"event":{"grant":null,"rules":[7]},"mounts":5})")),
      "Mount    Path    Verdict    Policy Line    Reason\n"
      "-----    ----    -------    -----------    ------\n"
      "n/a      n/a     n/a        n/a            n/a\n"
      "n/a      n/a     n/a        n/a            n/a\n");
}

}  // namespace
}  // namespace belfry::cli
