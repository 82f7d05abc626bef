#include "server/plugin_host/plugin_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/testing.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;

class PluginLogTest : public ::testing::Test {
 protected:
  const std::shared_ptr<RecordingLogSink> sink_ = std::make_shared<RecordingLogSink>();
  PluginLog log_{Logger(sink_, "kv"), 64};
};

TEST_F(PluginLogTest, ARecordBecomesAMessageWithItsFields) {
  log_.Append(R"({"@level":"info","@message":"hi","@timestamp":"x","n":1,"s":"t"})"
              "\n");
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv: hi: n=1 s=t"));
}

TEST_F(PluginLogTest, LinesMayComeInPieces) {
  log_.Append("a");
  log_.Append("b\nc");
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv: ab"));
  log_.Finish();
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv: ab", "kv: c"));
}

TEST_F(PluginLogTest, ALongLineIsCutIntoPieces) {
  log_.Append(std::string(130, 'x') + "\n");
  EXPECT_THAT(sink_->Lines(),
              ElementsAre("kv: " + std::string(64, 'x'), "kv: " + std::string(64, 'x'), "kv: xx"));
}

TEST_F(PluginLogTest, HostileRecordsAreLoggedAsTheyAre) {
  for (const char* line : {R"({"@level":1,"@message":[]})", R"({"@level":"loud","@message":"x"})",
                           "{", "{}", "[INFO"}) {
    log_.Append(line);
    log_.Append("\n");
    EXPECT_EQ(sink_->Lines().back(), std::string("kv: ") + line);
  }
}

TEST_F(PluginLogTest, ATagChoosesTheLevelAndGoes) {
  log_.Append("[WARN] careful\r\n");
  EXPECT_THAT(sink_->Lines(), ElementsAre("kv: careful"));
}

TEST(OneLine, KeepsASentenceInOnePiece) {
  EXPECT_EQ(OneLine("a\nb\x1b[31m"), "a b [31m");
  EXPECT_EQ(OneLine("abcdef", 3), "abc …");
}

}  // namespace
}  // namespace belfry::plugin_host
