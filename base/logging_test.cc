#include "base/logging.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "base/escaping.h"
#include "base/testing.h"
#include "base/utf8.h"

namespace belfry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Logger, WithoutASinkDiscards) {
  Logger().Info("nobody reads this");
}

TEST(Logger, NamesItsParts) {
  const auto sink = std::make_shared<RecordingLogSink>();
  const Logger core(sink, "core");
  core.Named("mounts").Info("enabled", {{"path", "secret/"}, {"type", "kv"}});
  core.Error("broken");
  Logger(sink, "").Named("http").Warn("slow");
  EXPECT_THAT(sink->Lines(), ElementsAre("core.mounts: enabled: path=secret/ type=kv",
                                         "core: broken", "http: slow"));
}

std::string Stderr(LogLevel minimum, const std::function<void(const Logger&)>& write) {
  ::testing::internal::CaptureStderr();
  write(Logger(NewStderrLogSink(minimum), "core"));
  return ::testing::internal::GetCapturedStderr();
}

TEST(StderrLogSink, WritesTimeLevelLoggerMessageAndFields) {
  const std::string line = Stderr(LogLevel::kInfo, [](const Logger& log) {
    log.Info("ready", {{"port", "8200"}});
  });
  ASSERT_GT(line.size(), 25u);
  EXPECT_EQ(line[10], 'T');
  EXPECT_EQ(line.substr(23), "Z [INFO]  core: ready: port=8200\n");
}

TEST(StderrLogSink, LeavesOutWhatIsBelowItsLevel) {
  EXPECT_EQ(Stderr(LogLevel::kWarn, [](const Logger& log) { log.Info("ready"); }), "");
}

TEST(StderrLogSink, WhatOthersWroteCannotForgeALineOrAField) {
  const std::string line = Stderr(LogLevel::kInfo, [](const Logger& log) {
    log.Error("bad\nplugin", {{"said", "x\n2026 [INFO] core: ok level=1"}, {"empty", ""}});
  });
  EXPECT_EQ(
      line.substr(23),
      "Z [ERROR] core: \"bad\\nplugin\": said=\"x\\n2026 [INFO] core: ok level=1\" empty=\"\"\n");
}

std::string ContentOf(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A log in a file of its own.
class ProcessLogTest : public ::testing::Test {
 protected:
  ~ProcessLogTest() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<ProcessLog> Open(LogFormat format) {
    auto log = OpenProcessLog({.format = format, .file = file_.native()});
    EXPECT_EQ(log.status(), absl::OkStatus());
    return *std::move(log);
  }

  const std::filesystem::path folder_ = [] {
    std::string made = ::testing::TempDir() + "belfry-log-XXXXXX";
    EXPECT_NE(mkdtemp(made.data()), nullptr);
    return made;
  }();
  const std::filesystem::path file_ = folder_ / "belfry.log";
};

TEST_F(ProcessLogTest, AJsonLineIsAnObjectWithTheNamesOfVaultsLog) {
  Logger(Open(LogFormat::kJson), "core").Warn("slow", {{"path", "a/b"}, {"took", "3s"}});
  const std::string line = ContentOf(file_);
  // {"@timestamp":"2026-01-02T03:04:05.678901Z", …
  ASSERT_GT(line.size(), 45u);
  EXPECT_EQ(line.substr(0, 15), "{\"@timestamp\":\"");
  EXPECT_EQ(line.substr(41),
            "Z\",\"@level\":\"warn\",\"@module\":\"core\",\"@message\":\"slow\","
            "\"path\":\"a/b\",\"took\":\"3s\"}\n");
}

TEST_F(ProcessLogTest, WhatOthersWroteStaysInItsJsonString) {
  Logger(Open(LogFormat::kJson), "core")
      .Info("a\"}\n{\\", {{"@level", "error"}, {"b\xff", "\xe2\x80\xae\xf3\xa0\x80\x81ä"}});
  EXPECT_EQ(ContentOf(file_).substr(44),
            "\"@level\":\"info\",\"@module\":\"core\",\"@message\":\"a\\\"}\\u000a{\\\\\","
            "\"@@level\":\"error\",\"b\xef\xbf\xbd\":\"\\u202e\\udb40\\udc01ä\"}\n");
}

TEST_F(ProcessLogTest, AFileThatWasRenamedIsFollowedByANewOneWhenItIsReopened) {
  const std::shared_ptr<ProcessLog> log = Open(LogFormat::kStandard);
  const Logger logger(log, "core");
  logger.Info("one");
  std::filesystem::rename(file_, folder_ / "old");
  logger.Info("two");
  EXPECT_EQ(log->Reopen(), absl::OkStatus());
  logger.Info("three");
  EXPECT_THAT(ContentOf(folder_ / "old"), HasSubstr("core: two\n"));
  EXPECT_THAT(ContentOf(file_), ::testing::EndsWith("Z [INFO]  core: three\n"));
  EXPECT_EQ(std::filesystem::status(file_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(ProcessLogTest, AFileThatCannotBeReopenedIsWrittenOn) {
  const std::shared_ptr<ProcessLog> log = Open(LogFormat::kStandard);
  std::filesystem::rename(file_, folder_ / "old");
  std::filesystem::create_directory(file_);
  EXPECT_EQ(log->Reopen().code(), absl::StatusCode::kInvalidArgument);
  Logger(log, "core").Info("still here");
  EXPECT_THAT(ContentOf(folder_ / "old"), HasSubstr("still here"));
}

TEST_F(ProcessLogTest, AFifoThatNobodyReadsIsAnErrorAndNotWaitedFor) {
  const std::shared_ptr<ProcessLog> log = Open(LogFormat::kStandard);
  std::filesystem::remove(file_);
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  EXPECT_EQ(log->Reopen().code(), absl::StatusCode::kInvalidArgument);
}

// Also of lines that a pipe has no room for at once, which are cut off.
TEST_F(ProcessLogTest, APipeThatNobodyEmptiesHoldsUpNobodyAndTheLogSaysWhatItCost) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  const int reader = open(file_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  const auto read_all = [reader] {
    std::string read(1 << 20, '\0');
    const ssize_t size = ::read(reader, read.data(), read.size());
    read.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return read;
  };
  for (const std::size_t size : {1'000, 10'000}) {
    const Logger logger(Open(LogFormat::kStandard), "core");
    for (int i = 0; i < 100; ++i) logger.Info(std::string(size, 'x'));
    const std::string before = read_all();
    const auto whole = std::count(before.begin(), before.end(), '\n');
    EXPECT_GT(whole, 0);
    EXPECT_LT(whole, 100);
    logger.Info("read again");
    const std::string after = read_all();
    const std::string lost =
        Concat({"Z [ERROR] log lines were lost: lines=", std::to_string(100 - whole),
                " reason=\"their reader was too slow\"\n"});
    EXPECT_THAT(after, HasSubstr(lost));
    // On a line of its own.
    EXPECT_EQ(before.ends_with('\n'), !after.starts_with('\n'));
    EXPECT_THAT(after, ::testing::EndsWith("Z [INFO]  core: read again\n"));
  }
  close(reader);
}

TEST_F(ProcessLogTest, LinesThatAFullDiskTakesAreCountedAndStandardErrorSaysSoOnce) {
  std::filesystem::create_symlink("/dev/full", file_);
  const std::shared_ptr<ProcessLog> log = Open(LogFormat::kStandard);
  const Logger logger(log, "core");
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) logger.Info("lost");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "the log file cannot be written, its lines are lost: No space left on device\n");
  std::filesystem::remove(file_);
  ASSERT_EQ(log->Reopen(), absl::OkStatus());
  logger.Info("there is room again");
  EXPECT_THAT(ContentOf(file_),
              ::testing::MatchesRegex(".*log lines were lost: lines=3 reason=\"No space left on "
                                      "device\"\n.*core: there is room again\n"));
}

TEST_F(ProcessLogTest, AFileIsAppendedTo) {
  std::ofstream(file_) << "earlier\n";
  Logger(Open(LogFormat::kStandard), "core").Info("later");
  EXPECT_THAT(ContentOf(file_), ::testing::StartsWith("earlier\n2"));
}

TEST_F(ProcessLogTest, AFileThatCannotBeOpenedIsAnErrorThatNamesIt) {
  const std::string file = folder_ / "missing" / "log";
  EXPECT_EQ(OpenProcessLog({.file = file}).status(),
            absl::InvalidArgumentError(
                Concat({"cannot open the log file ", file, ": No such file or directory"})));
}

TEST_F(ProcessLogTest, ItsLevelCanBeChangedWhileItIsWrittenTo) {
  const std::shared_ptr<ProcessLog> log = Open(LogFormat::kStandard);
  const Logger logger(log, "core");
  logger.Debug("one");
  log->SetMinimum(LogLevel::kDebug);
  logger.Debug("two");
  log->SetMinimum(LogLevel::kError);
  logger.Warn("three");
  EXPECT_THAT(ContentOf(file_), ::testing::EndsWith("core: two\n"));
  EXPECT_EQ(ContentOf(file_).find("core: one"), std::string::npos);
}

TEST(LogLevel, IsNamedInAnyCase) {
  EXPECT_EQ(LogLevelNamed("trace"), LogLevel::kTrace);
  EXPECT_EQ(LogLevelNamed("DEBUG"), LogLevel::kDebug);
  EXPECT_EQ(LogLevelNamed("Warn"), LogLevel::kWarn);
  for (const std::string_view none : {"", "warning", " info", "loud"})
    EXPECT_EQ(LogLevelNamed(none), std::nullopt) << none;
}

// Takes the text of a message, key or value off the front of a line: what was Quoted, or what is
// there up to `end`.
std::string TakeText(std::string_view& rest, std::string_view end) {
  if (!rest.starts_with('"')) {
    const std::string bare(rest.substr(0, rest.find(end)));
    rest.remove_prefix(bare.size());
    return bare;
  }
  std::size_t at = 1;
  while (rest[at] != '"') at += rest[at] == '\\' ? 2 : 1;
  const std::string quoted(rest.substr(0, at + 1));
  rest.remove_prefix(at + 1);
  return quoted;
}

// As it is written: text that is bare stands for itself.
std::string Written(std::string_view text, bool bare) {
  return bare ? std::string(text) : Quoted(text);
}

TEST(StderrLogSink, WhateverIsWrittenALineHasTheFieldsOfItsCallAndNoOthers) {
  const std::string_view pieces[] = {
      "a",       "=",          " ",        ": ",           "\"",
      "\\",      "\n",         "\r",       "\x1b[2J",      "\x7f",
      "\xff",    "level=info", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xae",
      "\xc3\xbc"};
  std::minstd_rand random(7);
  const auto text = [&] {
    std::string made;
    for (std::size_t n = random() % 5; n > 0; --n) made += pieces[random() % std::size(pieces)];
    return made;
  };
  for (int i = 0; i < 500; ++i) {
    const std::string message = text();
    const std::string keys[] = {text(), text()};
    const std::string values[] = {text(), text()};
    std::string line = Stderr(LogLevel::kInfo, [&](const Logger& log) {
      log.Info(message, {{keys[0], values[0]}, {keys[1], values[1]}});
    });
    ASSERT_EQ(line.back(), '\n');
    line.pop_back();
    ASSERT_TRUE(IsPlainText(line)) << Quoted(line);
    std::string_view rest = std::string_view(line).substr(39);  // Time, level and "core: ".
    // The last ": " before the first '=' that is not quoted ends the message.
    if (!rest.starts_with('"')) {
      const std::size_t fields = rest.find_first_of("=\"");
      rest.remove_prefix(rest.rfind(": ", fields));
    } else {
      EXPECT_EQ(TakeText(rest, ""), Quoted(message));
    }
    ASSERT_TRUE(rest.starts_with(": ")) << line;
    rest.remove_prefix(1);
    for (int field = 0; field < 2; ++field) {
      ASSERT_TRUE(rest.starts_with(' ')) << line;
      rest.remove_prefix(1);
      const std::string key = TakeText(rest, "=");
      EXPECT_EQ(key, Written(keys[field], key == keys[field])) << line;
      ASSERT_TRUE(rest.starts_with('=')) << line;
      rest.remove_prefix(1);
      const std::string value = TakeText(rest, " ");
      EXPECT_EQ(value, Written(values[field], value == values[field])) << line;
    }
    EXPECT_EQ(rest, "") << line;
  }
}

TEST(Quoted, EscapesWhatDoesNotShowAsItself) {
  EXPECT_EQ(Quoted("a \"b\" \\ \n\r\t"), R"("a \"b\" \\ \n\r\t")");
  EXPECT_EQ(Quoted(std::string_view("\0\x1b\x7f\xff", 4)), R"("\x00\x1b\x7f\xff")");
  EXPECT_EQ(Quoted("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae\xe2\x81\xa6"),
            R"("\u0085\u2028\u2029\u202e\u2066")");
  EXPECT_EQ(Quoted("\xf3\xa0\x80\x81"), R"("\U000e0001")");
  EXPECT_EQ(Quoted("gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80"),
            "\"gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80\"");
}

}  // namespace
}  // namespace belfry
