#include "server/plugin_host/plugin_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;

class PluginLogTest : public ::testing::Test {
 protected:
  const std::shared_ptr<RecordingLogSink> sink_ = std::make_shared<RecordingLogSink>();
  LogBudget budget_{1000, 5000};
  PluginLog log_{Logger(sink_, "kv"), 64, &budget_};
};

TEST_F(PluginLogTest, ARecordBecomesAMessageWithItsFields) {
  log_.Append(R"({"@level":"info","@message":"hi","@timestamp":"x","n":1,"s":"t"})"
              "\n");
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv.output: hi: n=1 s=t"));
}

TEST_F(PluginLogTest, LinesMayComeInPieces) {
  log_.Append("a");
  log_.Append("b\nc");
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv.output: ab"));
  log_.Finish();
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv.output: ab", "kv.output: c"));
}

TEST_F(PluginLogTest, ALongLineIsCutIntoPieces) {
  log_.Append(std::string(130, 'x') + "\n");
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv.output: " + std::string(64, 'x'),
                                          "kv.output: " + std::string(64, 'x'), "kv.output: xx"));
}

TEST_F(PluginLogTest, HostileRecordsAreLoggedAsTheyAre) {
  for (const char* line : {R"({"@level":1,"@message":[]})", R"({"@level":"loud","@message":"x"})",
                           "{", "{}", "[INFO"}) {
    log_.Append(line);
    log_.Append("\n");
    EXPECT_EQ(sink_->Lines().back(), std::string("kv.output: ") + line);
  }
}

TEST_F(PluginLogTest, ATagChoosesTheLevelAndGoes) {
  log_.Append("[WARN] careful\r\n");
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv.output: careful"));
}

TEST_F(PluginLogTest, WhatIsBeyondTheBudgetIsDroppedAndTheHostSaysHowMuch) {
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += std::string(35, 'x') + "\n";
  log_.Append(flood);
  log_.Append("[ERROR] more of it, without an end");
  log_.Finish();
  const std::vector<std::string> lines = sink_->Lines();
  // 99 bytes each of 5000, and whatever share of a second has passed.
  const auto written = std::count(lines.begin(), lines.end(), "kv.output: " + std::string(35, 'x'));
  EXPECT_GE(written, 50);
  EXPECT_LT(written, 1000);
  EXPECT_THAT(lines,
              ::testing::Contains("kv: the plugin writes more than its share of the log; the rest "
                                  "is dropped: bytes_per_second=1000"));
  EXPECT_THAT(lines, ::testing::Contains(::testing::StartsWith(
                         "kv: dropped what the plugin wrote beyond its share of the log: bytes=")));
}

TEST(OneLine, KeepsASentenceInOnePiece) {
  EXPECT_EQ(OneLine("a\xc2\x85\xe2\x80\xa8\xe2\x80\xae\x7f\xffz\xc3\xbc"), "a     z\xc3\xbc");
  EXPECT_EQ(OneLine("a\nb\x1b[31m"), "a b [31m");
  EXPECT_EQ(OneLine("abcdef", 3), "abc …");
}

}  // namespace
}  // namespace belfry::plugin_host
