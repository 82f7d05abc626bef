#include "server/storage/snapshot_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "server/storage/rocksdb_testing.h"

namespace belfry::storage {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

const SnapshotInfo kInfo{.taken = absl::FromUnixMillis(1795873033123), .version = "1.21.0"};

auto Is(const Entry& entry) {
  return AllOf(Field(&Entry::key, entry.key), Field(&Entry::value, entry.value));
}

std::string FileOf(const std::vector<std::vector<Entry>>& parts) {
  SnapshotEncoder encoder;
  std::string bytes = encoder.Begin(kInfo);
  for (const std::vector<Entry>& part : parts) bytes += encoder.Add(part);
  return bytes + encoder.End();
}

class SnapshotFileTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<SnapshotFile>> Open(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    return SnapshotFile::Open(path_);
  }
  // What comes of reading to the end.
  absl::Status ReadAll(const std::string& bytes) {
    const auto file = Open(bytes);
    if (!file.ok()) return file.status();
    for (;;) {
      const auto entries = (*file)->Next(1);
      if (!entries.ok()) return entries.status();
      if (entries->empty()) return absl::OkStatus();
    }
  }

  ScratchDirectory directory_;
  const std::string path_ = directory_.path() + "/a.snapshot";
};

TEST_F(SnapshotFileTest, GivesBackWhatWasWritten) {
  const std::string bytes("\0\xff\n", 3);
  const Entry empty{"", ""};
  const Entry binary{bytes, bytes};
  const Entry large{"large", std::string(1 << 20, 'x')};
  const auto file = Open(FileOf({{empty, binary}, {}, {large}}));
  ASSERT_EQ(file.status(), absl::OkStatus());
  EXPECT_EQ((*file)->info().taken, kInfo.taken);
  EXPECT_EQ((*file)->info().version, kInfo.version);
  EXPECT_THAT(*(*file)->Next(1 << 10), ElementsAre(Is(empty), Is(binary), Is(large)));
  EXPECT_THAT(*(*file)->Next(1 << 10), ElementsAre());
  EXPECT_THAT(*(*file)->Next(1 << 10), ElementsAre());
}

TEST_F(SnapshotFileTest, GivesOneEntryHoweverLargeAndNoMoreThanAskedFor) {
  const Entry one{"1", std::string(100, 'x')};
  const Entry two{"2", std::string(100, 'x')};
  const auto file = Open(FileOf({{one, two}}));
  ASSERT_EQ(file.status(), absl::OkStatus());
  EXPECT_THAT(*(*file)->Next(1), ElementsAre(Is(one)));
  EXPECT_THAT(*(*file)->Next(1), ElementsAre(Is(two)));
}

TEST_F(SnapshotFileTest, OneOfNothingIsWhole) {
  EXPECT_EQ(ReadAll(FileOf({})), absl::OkStatus());
}

// Of the magic: it is no snapshot; of the format's number: a newer one, as far as anyone can say.
TEST_F(SnapshotFileTest, NoByteCanBeChangedUnseen) {
  const std::string bytes = FileOf({{{"seal/a", "1"}, {"data/b", "22"}}, {{"data/c", ""}}});
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      const absl::Status read = ReadAll(changed);
      ASSERT_FALSE(read.ok()) << "byte " << at;
      EXPECT_EQ(absl::IsDataLoss(read), at > 16) << "byte " << at << ": " << read;
    }
  }
}

TEST_F(SnapshotFileTest, NoPartOfOneIsTakenForWhole) {
  const std::string bytes = FileOf({{{"seal/a", "1"}, {"data/b", "22"}}});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadAll(bytes.substr(0, size)).ok()) << size << " bytes";
  }
  EXPECT_TRUE(absl::IsDataLoss(ReadAll(bytes + "x")));
}

// A length that was changed asks for no more memory than the file has bytes.
TEST_F(SnapshotFileTest, ALengthBeyondTheFileIsDamage) {
  SnapshotEncoder encoder;
  const std::string begin = encoder.Begin(kInfo);
  EXPECT_TRUE(
      absl::IsDataLoss(ReadAll(begin + std::string("\x01\xff\xff\xff\xff\xff\xff\xff\xff", 9))));
}

TEST_F(SnapshotFileTest, SaysWhatAFileIsThatIsNone) {
  EXPECT_THAT(MessageOf(ReadAll("storage {}\nand so on\n")), HasSubstr("is not a snapshot"));
  EXPECT_THAT(MessageOf(SnapshotFile::Open(directory_.path()).status()), HasSubstr("cannot read"));
  EXPECT_THAT(MessageOf(SnapshotFile::Open(path_ + ".nosuch").status()),
              HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace belfry::storage
