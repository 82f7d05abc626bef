#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <cerrno>
#include <csignal>
#include <sstream>

#include "cli/explain_output.h"
#include "cli/json_text.h"
#include "cli/kv_output.h"
#include "cli/output.h"
#include "cli/path.h"
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
  EXPECT_EQ(OneLine(*ParseJson("\"x\"")), "x");
  EXPECT_EQ(OneLine(*ParseJson("null")), "<nil>");
  EXPECT_EQ(OneLine(*ParseJson("1.10")), "1.10");
  EXPECT_EQ(OneLine(*ParseJson(R"({"a":[1.5,true]})")), R"({"a":[1.5,true]})");
}

TEST(DisplayWidthTest, IsThatOfATerminal) {
  const std::pair<const char*, std::size_t> widths[] = {
      {"", 0},       {"abc", 3},    {"\u00fcn\u00ef/", 4}, {"u\u0308", 1},   {"\u65e5\u672c", 4},
      {"\uff21", 2}, {"\u200b", 0}, {"\xff\xfe", 2},       {"a\xe6\x97", 3},
  };
  for (const auto& [text, width] : widths) EXPECT_EQ(DisplayWidth(text), width) << text;
}

TEST(ColumnsTest, AlignsByDisplayWidth) {
  EXPECT_EQ(Columns({{"\u65e5", "b"}, {"abc", "c"}, {"u\u0308", "d"}}),
            "\u65e5     b\n--     -\nabc    c\nu\u0308      d\n");
}

TEST(TableTest, WhatOthersWroteMovesNoCursor) {
  const std::string table =
      Columns({{"Key", "Value"}, {"a", "\x1b[2Jb\u202e\xff"}, {"c", "1\n2\t3"}});
  EXPECT_THAT(table, ::testing::HasSubstr("a      \\x1b[2Jb\\u202e\\xff\n"));
  EXPECT_THAT(table, ::testing::HasSubstr("c      1\n2\t3\n"));
}

TEST(JsonTextTest, KeepsAValueWhole) {
  EXPECT_EQ(JsonText(*ParseJson(R"({"a":[1.5,"x\n"],"b":{}})")),
            "{\n  \"a\": [\n    1.5,\n    \"x\\n\"\n  ],\n  \"b\": {}\n}");
}

// The reading end of a pipe, and a stream that writes to it.
class PipeTest : public ::testing::Test {
 protected:
  PipeTest() { EXPECT_EQ(::pipe(ends_), 0); }
  ~PipeTest() override {
    for (const int end : ends_) ::close(end);
  }
  int ends_[2] = {-1, -1};
};

TEST_F(PipeTest, AStreamWritesWhenItIsFlushed) {
  DescriptorStream out(ends_[1]);
  out << "one" << ' ' << 2 << std::flush;
  char bytes[16] = {};
  EXPECT_EQ(::read(ends_[0], bytes, sizeof(bytes)), 5);
  EXPECT_STREQ(bytes, "one 2");
  std::ostringstream err;
  EXPECT_EQ(ExitCodeAfterOutput(out, err, 0), 0);
  EXPECT_EQ(err.str(), "");
}

TEST_F(PipeTest, AFailedWriteIsOneWithItsReason) {
  DescriptorStream out(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  out << "lost";
  std::ostringstream err;
  EXPECT_EQ(ExitCodeAfterOutput(out, err, 0), 1);
  EXPECT_EQ(err.str(), "cannot write to standard output: No space left on device\n");
  EXPECT_EQ(ExitCodeAfterOutput(out, err, 2), 2);
}

TEST_F(PipeTest, AReaderThatHasGoneIsToldOfByTheExitCodeAlone) {
  std::signal(SIGPIPE, SIG_IGN);
  ::close(ends_[0]);
  ends_[0] = -1;
  DescriptorStream out(ends_[1]);
  out << "unread";
  std::ostringstream err;
  EXPECT_EQ(ExitCodeAfterOutput(out, err, 0), 1);
  EXPECT_EQ(out.error(), EPIPE);
  EXPECT_EQ(err.str(), "");
}

TEST_F(PipeTest, AnErrorThatTheCommandHasAcceptedDoesNotFailIt) {
  std::signal(SIGPIPE, SIG_IGN);
  ::close(ends_[0]);
  ends_[0] = -1;
  DescriptorStream out(ends_[1]);
  out << "unread" << std::flush;
  EXPECT_FALSE(out.good());
  out.clear();
  std::ostringstream err;
  EXPECT_EQ(ExitCodeAfterOutput(out, err, 0), 0);
  out << "more";
  EXPECT_EQ(ExitCodeAfterOutput(out, err, 0), 1);
}

TEST(CleanPathTest, FindsTheOneSpelling) {
  const std::pair<const char*, const char*> paths[] = {
      {"a/b", "a/b"},           {"/a//b/", "a/b"}, {"a/./b/.", "a/b"},
      {"a/x/../b", "a/b"},      {" a/b\n", "a/b"}, {"a b/c", "a b/c"},
      {"a..b/...", "a..b/..."}, {"//", ""},        {"a/..", ""}};
  for (const auto& [typed, clean] : paths) EXPECT_EQ(CleanPath(typed).value_or("refused"), clean);
  for (const char* typed : {"..", "a/../..", "/../a"})
    EXPECT_EQ(CleanPath(typed).status().code(), absl::StatusCode::kInvalidArgument) << typed;
  EXPECT_EQ(CleanPath(" / ", "PATH").status().message(), "PATH must not be empty: \" / \"");
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
      "No event will arrive: no rule of the token grants subscribe to this type in any mount.\n"
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
