#include "sdk/src/plugin_log.h"

#include <unistd.h>

#include "absl/time/clock.h"
#include "belfry/json.h"
#include "gtest/gtest.h"

namespace belfry::internal {
namespace {

TEST(PluginLogTest, ALineIsAnObjectOfTextsWithSixDigitsOfFraction) {
  EXPECT_EQ(FormatLogLine(LogLevel::kWarn, "a \"b\"\nc", {{"pid", "7"}},
                          absl::FromUnixMicros(1'700'000'000'000'005)),
            "{\"@level\":\"warn\",\"@message\":\"a \\\"b\\\"\\nc\","
            "\"@timestamp\":\"2023-11-14T22:13:20.000005Z\",\"pid\":\"7\"}\n");
}

TEST(PluginLogTest, ALineIsAlwaysValidAndShorterThanHostsRead) {
  const std::string line = FormatLogLine(LogLevel::kInfo, std::string(1 << 20, '\xff'),
                                         {{"error", std::string(1 << 20, '\n')}}, absl::Now());
  EXPECT_LT(line.size(), 64u * 1024);
  EXPECT_EQ(Json::Parse(line.substr(0, line.size() - 1)).status(), absl::OkStatus());
}

TEST(PluginLogTest, WritesALineAtOnce) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  PluginLog(ends[1]).Write(LogLevel::kError, "it broke");
  char bytes[4096];
  const ssize_t count = ::read(ends[0], bytes, sizeof(bytes));
  ASSERT_GT(count, 0);
  EXPECT_EQ(bytes[count - 1], '\n');
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace belfry::internal
