#include "server/plugin_host/program_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace belfry::plugin_host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kSumOfA[] = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

class ProgramFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "progXXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/plugins/a";
    std::filesystem::create_directory(folder_ + "/plugins");
    chmod((folder_ + "/plugins").c_str(), 0755);
    Program(path_, "a");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static void Program(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
    chmod(path.c_str(), 0755);
  }
  // Why it is not opened; "" when it is.
  static std::string Refusal(const std::string& path) {
    const absl::Status status = OpenProgram(path).status();
    if (!status.ok()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    }
    return std::string(ToStd(status.message()));
  }

  std::string folder_;
  std::string path_;
};

TEST_F(ProgramFileTest, WhatIsOpenStaysWhatItIsWhateverIsPutInItsPlace) {
  const absl::StatusOr<ProgramFile> file = OpenProgram(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->concerns, IsEmpty());
  Program(folder_ + "/b", "b");
  std::filesystem::rename(folder_ + "/b", path_);
  EXPECT_EQ(*Sha256Of(file->descriptor), kSumOfA);
  EXPECT_EQ(*Sha256Of(file->descriptor), kSumOfA);  // As often as it is asked.
}

TEST_F(ProgramFileTest, ALinkLeadsOnlyToWhatIsInItsDirectory) {
  namespace fs = std::filesystem;
  Program(folder_ + "/outside", "x");
  fs::create_directory(folder_ + "/plugins/below");
  Program(folder_ + "/plugins/below/b", "a");
  fs::create_symlink("a", folder_ + "/plugins/beside");
  fs::create_symlink("below/b", folder_ + "/plugins/deeper");
  fs::create_symlink(path_, folder_ + "/plugins/absolute");
  fs::create_symlink(folder_ + "/plugins", folder_ + "/way");
  for (const char* name : {"/plugins/beside", "/plugins/deeper", "/plugins/absolute", "/way/a"})
    EXPECT_EQ(Refusal(folder_ + name), "") << name;
  fs::create_symlink("../outside", folder_ + "/plugins/out");
  fs::create_symlink("/bin/sh", folder_ + "/plugins/shell");
  fs::create_symlink("out", folder_ + "/plugins/twice");
  for (const char* name :
       {"/plugins/out", "/plugins/shell", "/plugins/twice", "/plugins/..", "/plugins/."}) {
    EXPECT_THAT(Refusal(folder_ + name), HasSubstr("leaves the plugin directory")) << name;
  }
  fs::create_symlink("nowhere", folder_ + "/plugins/broken");
  EXPECT_EQ(
      Refusal(folder_ + "/plugins/broken"),
      "the plugin's program " + folder_ + "/plugins/broken is a link to a file that is not there");
}

TEST_F(ProgramFileTest, WhatIsMissingIsNamedBeItTheFileOrItsFolder) {
  EXPECT_EQ(
      OpenProgram(folder_ + "/plugins/none").status(),
      absl::NotFoundError("there is no " + folder_ + "/plugins/none: No such file or directory"));
  EXPECT_EQ(OpenProgram(folder_ + "/none/a").status(),
            absl::NotFoundError("there is no " + folder_ + "/none: No such file or directory"));
}

TEST_F(ProgramFileTest, OnlyARegularExecutableFileIsAProgram) {
  ASSERT_EQ(mkfifo((folder_ + "/plugins/pipe").c_str(), 0777), 0);
  std::filesystem::create_directory(folder_ + "/plugins/folder");
  std::ofstream(folder_ + "/plugins/text") << "x";
  chmod((folder_ + "/plugins/text").c_str(), 0644);
  EXPECT_THAT(Refusal(folder_ + "/plugins/pipe"), HasSubstr("is no regular file"));
  EXPECT_THAT(Refusal(folder_ + "/plugins/folder"), HasSubstr("is no regular file"));
  EXPECT_THAT(Refusal(folder_ + "/plugins/text"), HasSubstr("is not executable"));
}

TEST_F(ProgramFileTest, WhoeverElseMayReplaceItIsNamed) {
  chmod(path_.c_str(), 0757);
  chmod((folder_ + "/plugins").c_str(), 0775);
  EXPECT_THAT(OpenProgram(path_)->concerns,
              ElementsAre(path_ + " can be written by everybody",
                          folder_ + "/plugins can be written by its group"));
}

TEST_F(ProgramFileTest, NobodyWritesIntoItUntilTheBarGoes) {
  const absl::StatusOr<ProgramFile> file = OpenProgram(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  {
    const Descriptor writer(open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    if (fcntl(file->descriptor.get(), F_GETLEASE) < 0) GTEST_SKIP() << "no leases here";
    EXPECT_EQ(WriteBar::On(file->descriptor).status().code(), absl::StatusCode::kUnavailable);
  }
  {
    const absl::StatusOr<WriteBar> bar = WriteBar::On(file->descriptor);
    ASSERT_TRUE(bar.ok()) << bar.status();
    const Descriptor barred(open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
    EXPECT_LT(barred.get(), 0);
    EXPECT_EQ(*Sha256Of(file->descriptor), kSumOfA);
  }
  const Descriptor writer(open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  EXPECT_GE(writer.get(), 0);
}

}  // namespace
}  // namespace belfry::plugin_host
