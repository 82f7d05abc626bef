#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "cli/event_sink.h"

namespace belfry::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CommandSinkTest : public ::testing::Test {
 protected:
  CommandSinkTest() {
    std::string folder = (fs::temp_directory_path() / "sinkXXXXXX").string();
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~CommandSinkTest() override { fs::remove_all(folder_); }

  // Commands write to $OUT, here "out" in a folder of the test's own.
  absl::Status Run(const std::string& command, const EventFrame& frame = {}) const {
    const std::string out = (folder_ / "out").string();
    return MakeCommandSink("OUT='" + out + "'; " + command, terminal_)->Deliver(frame);
  }
  std::string Written() const {
    std::ifstream file(folder_ / "out");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string Failure(const std::string& command, const EventFrame& frame = {}) const {
    const absl::Status failed = Run(command, frame);
    EXPECT_EQ(failed.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(failed.message());
  }

  Terminal terminal_;
  fs::path folder_;
};

TEST_F(CommandSinkTest, TheEventIsOneLineOfItsInput) {
  EXPECT_TRUE(Run("cat >>$OUT", {.text = "{\"a\":1}"}).ok());
  EXPECT_TRUE(Run("cat >>$OUT", {.text = "{\"b\":2}\n"}).ok());
  EXPECT_EQ(Written(), "{\"a\":1}\n{\"b\":2}\n");
}

TEST_F(CommandSinkTest, TypeAndCursorAreInItsEnvironmentWithAllOfOurs) {
  ::setenv("BELFRY_CURSOR", "of another", 1);
  ::setenv("SINK_TEST", "inherited", 1);
  EXPECT_TRUE(Run("echo $BELFRY_EVENT_TYPE $BELFRY_CURSOR $SINK_TEST >$OUT",
                  {.event_type = "kv-v2/data-write", .cursor = "3f9ac2d41e07b856-42"})
                  .ok());
  EXPECT_EQ(Written(), "kv-v2/data-write 3f9ac2d41e07b856-42 inherited\n");
  EXPECT_TRUE(Run("echo ${BELFRY_CURSOR-unset}. >$OUT").ok());
  EXPECT_EQ(Written(), ".\n");
  ::unsetenv("BELFRY_CURSOR");
  ::unsetenv("SINK_TEST");
}

TEST_F(CommandSinkTest, ACommandThatDoesNotReadIsNoFailure) {
  EXPECT_TRUE(Run("true", {.text = std::string(1 << 20, 'x')}).ok());
}

TEST_F(CommandSinkTest, AFailureSaysHowItEndedAndOfWhichEvent) {
  EXPECT_EQ(Failure("exit 3", {.event_type = "kv-v1/write", .cursor = "3f9ac2d41e07b856-42"}),
            "the command of -exec failed: it exited with code 3; its event was of type "
            "kv-v1/write, with the cursor 3f9ac2d41e07b856-42");
  EXPECT_THAT(Failure("exec /nonexistent/command 2>/dev/null"), HasSubstr("code 127"));
  EXPECT_THAT(Failure("kill -KILL $$"), HasSubstr("ended by signal 9 (Killed)"));
}

}  // namespace
}  // namespace belfry::cli
