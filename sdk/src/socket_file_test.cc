#include "sdk/src/socket_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "sdk/src/testing/scratch_directory.h"

namespace belfry::internal {
namespace {

TEST(SocketFileTest, IsFreshShortAndInItsDirectory) {
  const belfry::testing::ScratchDirectory directory;
  const auto first = SocketFile::In(directory.path());
  const auto second = SocketFile::In(directory.path());
  ASSERT_EQ(first.status(), absl::OkStatus());
  ASSERT_EQ(second.status(), absl::OkStatus());
  EXPECT_NE((*first)->path(), (*second)->path());
  EXPECT_EQ((*first)->path().rfind(directory.path() + "/plugin", 0), 0u);
}

TEST(SocketFileTest, DirectoriesThatCannotHoldASocketAreRefused) {
  EXPECT_EQ(SocketFile::In("/nonexistent").status().code(), absl::StatusCode::kNotFound);
  const std::string slashes(100, '/');
  EXPECT_EQ(SocketFile::In("/tmp" + slashes).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SocketFileTest, AGroupThatDoesNotExistIsNotFound) {
  const belfry::testing::ScratchDirectory directory;
  const auto file = SocketFile::In(directory.path());
  ASSERT_EQ(file.status(), absl::OkStatus());
  EXPECT_EQ((*file)->GiveToGroup("no such group").code(), absl::StatusCode::kNotFound);
}

TEST(SocketFileTest, ItsGroupMayUseItAndOthersMayNot) {
  const belfry::testing::ScratchDirectory directory;
  const auto file = SocketFile::In(directory.path());
  ASSERT_EQ(file.status(), absl::OkStatus());
  std::ofstream((*file)->path()) << "as if something listened";
  ASSERT_EQ((*file)->GiveToGroup(std::to_string(::getgid())), absl::OkStatus());
  struct stat info;
  ASSERT_EQ(::stat((*file)->path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660u);
  EXPECT_EQ(info.st_gid, ::getgid());
}

TEST(SocketFileTest, TheFileGoesWithIt) {
  const belfry::testing::ScratchDirectory directory;
  std::string path;
  {
    const auto file = SocketFile::In(directory.path());
    ASSERT_EQ(file.status(), absl::OkStatus());
    path = (*file)->path();
    std::ofstream stream(path);
    ASSERT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace belfry::internal
