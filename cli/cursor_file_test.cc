#include "cli/cursor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "cli/cursor.h"

namespace belfry::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr char kCursor[] = "3f9ac2d41e07b856-42";

TEST(CursorTest, IsAnEpochAndASequence) {
  for (const std::string_view cursor :
       {"3f9ac2d41e07b856-42", "0000000000000000-0", "3f9ac2d41e07b856-18446744073709551615"}) {
    EXPECT_TRUE(IsCursor(cursor)) << cursor;
    EXPECT_TRUE(IsStartingPoint(cursor)) << cursor;
  }
  for (const std::string_view text :
       {"", "-", "earliest", "42", "3f9ac2d41e07b856", "3f9ac2d41e07b856-", "3f9ac2d41e07b85-42",
        "3f9ac2d41e07b8566-42", "3f9ac2d41e07b85g-42", "3f9ac2d41e07b856-042",
        "3f9ac2d41e07b856--1", "3f9ac2d41e07b856-+1", "3f9ac2d41e07b856-4 2",
        "3f9ac2d41e07b856-18446744073709551616", " 3f9ac2d41e07b856-42", "3F9AC2D41E07B856-42"}) {
    EXPECT_FALSE(IsCursor(text)) << text;
  }
}

TEST(CursorTest, AStreamBeginsAtOneOrAtOneOfTwoWords) {
  EXPECT_TRUE(IsStartingPoint("earliest"));
  EXPECT_TRUE(IsStartingPoint("latest"));
  for (const std::string_view text : {"", "Latest", "newest", "0"})
    EXPECT_FALSE(IsStartingPoint(text)) << text;
}

class CursorFileTest : public ::testing::Test {
 protected:
  CursorFileTest() {
    std::string folder = (fs::temp_directory_path() / "cursorXXXXXX").string();
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder_ / "kv.cursor";
  }
  ~CursorFileTest() override { fs::remove_all(folder_); }

  void Write(std::string_view text) const { std::ofstream(path_) << text; }
  std::string Content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::ptrdiff_t FilesInFolder() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }
  // What Load says of the file, which it must refuse and leave alone.
  std::string Refused(absl::StatusCode code = absl::StatusCode::kInvalidArgument) const {
    const absl::StatusOr<std::string> loaded = CursorFile(path_).Load();
    EXPECT_EQ(loaded.status().code(), code);
    return std::string(loaded.status().message());
  }

  fs::path folder_;
  fs::path path_;
};

TEST_F(CursorFileTest, WhatIsSavedIsLoaded) {
  CursorFile file(path_);
  EXPECT_EQ(file.Load().value(), "");
  file.Set(kCursor);
  ASSERT_TRUE(file.Save().ok());
  EXPECT_EQ(CursorFile(path_).Load().value(), kCursor);
}

TEST_F(CursorFileTest, OnlyItsOwnerMayReadIt) {
  CursorFile file(path_);
  file.Set(kCursor);
  ASSERT_TRUE(file.Save().ok());
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(CursorFileTest, NothingElseIsLeftInTheFolder) {
  CursorFile file(path_);
  EXPECT_EQ(file.Load().value(), "");
  EXPECT_EQ(FilesInFolder(), 0);
  file.Set(kCursor);
  ASSERT_TRUE(file.Save().ok());
  EXPECT_EQ(FilesInFolder(), 1);
}

TEST_F(CursorFileTest, ATemporaryFileThatACrashHasLeftIsReplaced) {
  std::ofstream(folder_ / "kv.cursor.new") << std::string(100, 'x');
  CursorFile file(path_);
  file.Set(kCursor);
  ASSERT_TRUE(file.Save().ok());
  EXPECT_EQ(Content(), std::string(kCursor) + "\n");
  EXPECT_EQ(FilesInFolder(), 1);
}

TEST_F(CursorFileTest, TheLastCursorThatWasSetIsSavedOnce) {
  CursorFile file(path_);
  file.Set("3f9ac2d41e07b856-41");
  file.Set(kCursor);
  EXPECT_EQ(file.unsaved(), 2U);
  ASSERT_TRUE(file.Save().ok());
  EXPECT_EQ(file.unsaved(), 0U);
  EXPECT_EQ(Content(), std::string(kCursor) + "\n");
  fs::remove(path_);
  ASSERT_TRUE(file.Save().ok());
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(CursorFileTest, AnEmptyFileHoldsNoCursor) {
  for (const std::string_view nothing : {"", "\n", " \t\n"}) {
    Write(nothing);
    EXPECT_EQ(CursorFile(path_).Load().value(), "");
  }
}

TEST_F(CursorFileTest, WhiteSpaceAroundACursorIsIgnored) {
  Write(std::string("  ") + kCursor + "\r\n\n");
  EXPECT_EQ(CursorFile(path_).Load().value(), kCursor);
}

TEST_F(CursorFileTest, AFileOfSomethingElseIsRefusedAndKept) {
  for (const std::string_view other : {"latest", "42", "3f9ac2d41e07b856-42 43", "my notes\n"}) {
    Write(other);
    const std::string refused = Refused();
    EXPECT_THAT(refused, HasSubstr(path_.string() + " does not hold a cursor"));
    EXPECT_THAT(refused, HasSubstr("name another file, or remove it"));
    EXPECT_EQ(Content(), other);
  }
}

TEST_F(CursorFileTest, WhatIsNoRegularFileIsRefusedAndKept) {
  fs::create_directory(path_);
  EXPECT_THAT(Refused(), HasSubstr("is not a regular file"));
  EXPECT_TRUE(fs::is_directory(path_));
}

TEST_F(CursorFileTest, AFileThatCannotBeWrittenIsNamedBeforeTheFirstEvent) {
  path_ = folder_ / "missing" / "kv.cursor";
  EXPECT_EQ(Refused(absl::StatusCode::kFailedPrecondition),
            "cannot write the cursor file " + path_.string() + ": No such file or directory");
}

TEST_F(CursorFileTest, ASaveThatFailsSaysSoAndIsTriedAgain) {
  CursorFile file(path_);
  file.Set(kCursor);
  fs::create_directory(path_);
  EXPECT_EQ(file.Save().code(), absl::StatusCode::kFailedPrecondition);
  fs::remove(path_);
  ASSERT_TRUE(file.Save().ok());
  EXPECT_EQ(Content(), std::string(kCursor) + "\n");
}

TEST_F(CursorFileTest, ALinkStaysAndTheFileBehindItIsReplaced) {
  const fs::path real = folder_ / "real";
  std::ofstream(real) << "3f9ac2d41e07b856-41\n";
  fs::create_symlink(real, path_);
  CursorFile file(path_);
  EXPECT_EQ(file.Load().value(), "3f9ac2d41e07b856-41");
  file.Set(kCursor);
  ASSERT_TRUE(file.Save().ok());
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(CursorFile(real).Load().value(), kCursor);
}

TEST(CursorFileWithoutPathTest, KeepsNothing) {
  CursorFile file("");
  EXPECT_EQ(file.Load().value(), "");
  file.Set(kCursor);
  EXPECT_TRUE(file.Save().ok());
}

}  // namespace
}  // namespace belfry::cli
