// What a disk adds: files, faults, kills.
#include "server/storage/rocksdb.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
#include "server/storage/rocksdb_testing.h"
#include "server/storage/storage_writer.h"

namespace belfry::storage {
namespace {

namespace fs = std::filesystem;
using ::rocksdb::IOStatus;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Call = FaultyFileSystem::Call;

constexpr std::size_t kSmallBuffer = std::size_t{64} << 10;

class RocksDbTest : public ::testing::Test {
 protected:
  ~RocksDbTest() override { Close(); }

  absl::Status Open(RocksDbOptions options = {}) {
    Close();
    options.path = path_;
    if (options.file_system == nullptr) options.file_system = &files_;
    auto storage = OpenRocksDbStorage(options);
    if (!storage.ok()) return storage.status();
    storage_ = *std::move(storage);
    return absl::OkStatus();
  }
  void Close() { storage_.reset(); }

  absl::Status Put(const std::string& key, const std::string& value = "v") {
    return WriteAll(*storage_, {Change(key, value)});
  }
  std::optional<std::string> Get(std::string_view key) { return storage_->Get(key).value(); }

  ScratchDirectory directory_;
  FaultyFileSystem files_;  // Without faults until a test sets some.
  std::string path_ = directory_.path() + "/data";
  std::unique_ptr<PhysicalStorage> storage_;
};

TEST_F(RocksDbTest, WhatWasWrittenIsThereWhenItIsOpenedAgain) {
  ASSERT_EQ(Open(), absl::OkStatus());
  ASSERT_EQ(Put("a", "1"), absl::OkStatus());
  for (const char* value : {"2", "3"}) {
    ASSERT_EQ(Open(), absl::OkStatus());
    ASSERT_EQ(Put("b", value), absl::OkStatus());
  }
  ASSERT_EQ(Open(), absl::OkStatus());
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "3");
}

TEST_F(RocksDbTest, AWriteSyncsOnceHoweverManyBatches) {
  ASSERT_EQ(Open(), absl::OkStatus());
  std::atomic<int> syncs = 0;
  files_.SetHook([&](Call call, std::string_view) {
    if (call == Call::kSync) ++syncs;
    return IOStatus::OK();
  });
  std::vector<WriteBatch> batches;
  for (int i = 0; i < 64; ++i) batches.push_back(Change(std::to_string(i)));
  ASSERT_EQ(WriteAll(*storage_, std::move(batches)), absl::OkStatus());
  EXPECT_EQ(syncs, 1);
  ASSERT_EQ(Put("a"), absl::OkStatus());
  EXPECT_EQ(syncs, 2);
}

TEST_F(RocksDbTest, EachSyncIsToldWithHowManyBatchesItWrote) {
  std::vector<std::size_t> told;
  ASSERT_EQ(Open({.on_sync = [&told](std::size_t batches) { told.push_back(batches); }}),
            absl::OkStatus());
  std::vector<WriteBatch> batches;
  for (int i = 0; i < 3; ++i) batches.push_back(Change(std::to_string(i)));
  ASSERT_EQ(WriteAll(*storage_, std::move(batches)), absl::OkStatus());
  ASSERT_EQ(Put("a"), absl::OkStatus());
  EXPECT_THAT(told, ElementsAre(3u, 1u));
}

TEST_F(RocksDbTest, AListPassesOverFoldersWithoutReadingThem) {
  ASSERT_EQ(Open(), absl::OkStatus());
  WriteBatch batch;
  for (const char* const folder : {"a/", "b/", "c/"}) {
    for (int i = 0; i < 5000; ++i) batch.Put(folder + std::to_string(i), "v");
  }
  ASSERT_EQ(WriteAll(*storage_, {std::move(batch)}), absl::OkStatus());
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  EXPECT_THAT(*storage_->List(""), ElementsAre("a/", "b/", "c/"));
  EXPECT_LE(rocksdb::get_perf_context()->next_on_memtable_count, 3u);
  EXPECT_LE(rocksdb::get_perf_context()->seek_on_memtable_count, 4u);
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
}

TEST_F(RocksDbTest, ReadersAreNotDisturbedByFilesThatAreWrittenAndMerged) {
  ASSERT_EQ(Open({.write_buffer_bytes = kSmallBuffer}), absl::OkStatus());
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const std::vector<Entry> entries = storage_->Scan("", "", 10).value();
        if (entries.empty()) continue;
        ASSERT_EQ(entries.size(), 2u);
        ASSERT_EQ(entries[0].value, entries[1].value);
        ASSERT_THAT(*storage_->List(""), ElementsAre("x", "y"));
      }
    });
  }
  for (int i = 0; i < 500; ++i) {
    const std::string value(2000, static_cast<char>('a' + i % 26));
    ASSERT_EQ(WriteAll(*storage_, {Change("x", value), Change("y", value)}), absl::OkStatus());
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

// ---- The data directory
// --------------------------------------------------------------------------

std::set<std::string> FilesIn(const std::string& path) {
  std::set<std::string> names;
  for (const auto& file : fs::directory_iterator(path)) names.insert(file.path().filename());
  return names;
}

TEST_F(RocksDbTest, WhatIsInTheDirectoryIsForItsOwnerAlone) {
  const mode_t before = ::umask(0);
  ASSERT_EQ(Open({.write_buffer_bytes = kSmallBuffer}), absl::OkStatus());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Put("a", std::string(2000, 'x')), absl::OkStatus());
  ASSERT_EQ(Open(), absl::OkStatus());
  ::umask(before);
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_all);
  for (const auto& file : fs::directory_iterator(path_)) {
    EXPECT_EQ(file.status().permissions(), fs::perms::owner_read | fs::perms::owner_write)
        << file.path();
  }
}

TEST_F(RocksDbTest, NothingIsWrittenToStandardError) {
  ::testing::internal::CaptureStderr();
  ASSERT_EQ(Open(), absl::OkStatus());
  ASSERT_EQ(Put("a"), absl::OkStatus());
  Close();
  fs::resize_file(path_ + "/CURRENT", 3);
  EXPECT_EQ(Open().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

// Its own log would be on the same disk, and end the process when that is full.
TEST_F(RocksDbTest, RocksDbKeepsNoLogAndHandsItsWarningsOn) {
  Mutex mutex;
  std::vector<std::string> lines;
  ASSERT_EQ(Open({.write_buffer_bytes = kSmallBuffer,
                  .on_warning =
                      [&](std::string_view line) {
                        MutexLock lock(&mutex);
                        lines.emplace_back(line);
                      }}),
            absl::OkStatus());
  EXPECT_FALSE(FilesIn(path_).contains("LOG"));
  files_.SetHook([](Call call, std::string_view file) {
    return call == Call::kSync && file.ends_with(".sst") ? IOStatus::IOError("injected")
                                                         : IOStatus::OK();
  });
  for (int number = 1; WriteAll(*storage_, {WriterBatch(0, number)}).ok(); ++number) {
  }
  Close();
  EXPECT_THAT(lines, Contains(HasSubstr("injected")));
}

TEST_F(RocksDbTest, ADirectoryThatIsOpenIsRefused) {
  ASSERT_EQ(Open(), absl::OkStatus());
  const auto second = OpenRocksDbStorage({.path = path_});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(second.status()), AllOf(HasSubstr("already open"), HasSubstr(path_)));
  EXPECT_EQ(Put("a"), absl::OkStatus());
}

TEST_F(RocksDbTest, ALockFileThatCannotBeOpenedIsNoOtherProcess) {
  ASSERT_EQ(Open(), absl::OkStatus());
  Close();
  fs::remove(fs::path(path_) / "LOCK");
  fs::create_directory(fs::path(path_) / "LOCK");
  const absl::Status refused = Open();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(refused), AllOf(HasSubstr("Is a directory"), HasSubstr("Check the disk")));
}

TEST_F(RocksDbTest, OfTwoThatCreateTheDirectoryAtOnceOneHasIt) {
  for (int round = 0; round < 10; ++round) {
    const RocksDbOptions options = {.path = path_ + std::to_string(round)};
    absl::StatusOr<std::unique_ptr<PhysicalStorage>> other;
    std::thread thread([&] { other = OpenRocksDbStorage(options); });
    auto storage = OpenRocksDbStorage(options);
    thread.join();
    ASSERT_NE(storage.ok(), other.ok()) << storage.status() << other.status();
    EXPECT_EQ((storage.ok() ? other : storage).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(WriteAll(storage.ok() ? **storage : **other, {Change("a")}), absl::OkStatus());
    storage = absl::CancelledError();
    other = absl::CancelledError();
    EXPECT_EQ(OpenRocksDbStorage(options).value()->Get("a").value(), "v");
  }
}

TEST_F(RocksDbTest, PathsThatCannotBeADataDirectoryAreRefusedWithAdvice) {
  path_ = directory_.path() + "/file";
  std::ofstream(path_) << "x";
  absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path_), HasSubstr("is not a directory")));

  path_ = directory_.path() + "/missing/data";
  status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path_), HasSubstr("must exist")));

  path_ = directory_.path();
  status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path_), HasSubstr("not a data directory")));
  EXPECT_EQ(FilesIn(path_), std::set<std::string>{"file"});
}

TEST_F(RocksDbTest, WithoutTheRightToWriteTheErrorSaysSo) {
  fs::permissions(directory_.path(), fs::perms::owner_read | fs::perms::owner_exec);
  // Root may write everywhere.
  const bool root = ::geteuid() == 0;
  ASSERT_EQ(::seteuid(root ? 65534 : ::geteuid()), 0);
  const absl::Status status = Open();
  ASSERT_EQ(::seteuid(root ? 0 : ::geteuid()), 0);
  fs::permissions(directory_.path(), fs::perms::owner_all);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(path_), HasSubstr("server's user")));
}

TEST_F(RocksDbTest, ANewerFormatIsRefusedAndLeftAlone) {
  ASSERT_EQ(Open(), absl::OkStatus());
  Close();
  std::fstream(path_ + "/FORMAT") << "belfry storage 12\n";
  const std::set<std::string> files = FilesIn(path_);
  const absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr("format 12"), HasSubstr("newer version")));
  EXPECT_EQ(FilesIn(path_), files);
}

// Made by the first version, and killed: some keys in a table, some in a log.
TEST_F(RocksDbTest, DataOfFormat1Opens) {
  fs::copy(BELFRY_STORAGE_FORMATS "/format-1", path_);
  ASSERT_EQ(Open(), absl::OkStatus());
  const std::vector<Entry> entries = storage_->Scan("", "", 1000).value();
  ASSERT_EQ(entries.size(), 200u);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(entries[i].key, "folder/" + std::to_string(1000 + i));
    EXPECT_EQ(entries[i].value, "value " + std::to_string(i));
  }
}

// So that the older version, which writes no journal, cannot leave a gap in it that nobody sees.
TEST_F(RocksDbTest, DataOfAnOlderFormatIsOfThisOneOnceItWasOpened) {
  fs::copy(BELFRY_STORAGE_FORMATS "/format-1", path_);
  ASSERT_EQ(Open(), absl::OkStatus());
  std::string title;
  std::getline(std::ifstream(path_ + "/FORMAT"), title);
  EXPECT_EQ(title, "belfry storage 2");
  Close();
  EXPECT_EQ(Open(), absl::OkStatus());
}

TEST_F(RocksDbTest, ACreationThatWasInterruptedIsRepeated) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  std::ofstream(path_ + "/FORMAT.new-abcdef") << "belf";
  files_.SetHook([](Call call, std::string_view file) {
    return call == Call::kSync && file.starts_with("MANIFEST") ? IOStatus::IOError("injected")
                                                               : IOStatus::OK();
  });
  EXPECT_EQ(Open().code(), absl::StatusCode::kUnavailable);
  files_.SetHook(nullptr);
  ASSERT_EQ(Open(), absl::OkStatus());
  EXPECT_EQ(Put("a"), absl::OkStatus());
}

// ---- Faults
// --------------------------------------------------------------------------------------

struct Fault {
  const char* name;
  Call call;
  const char* file;  // How the name of a file that fails ends.
  IOStatus status;
  const char* message;
  const char* thread = "";  // How the name of a thread ends that has it.
};

void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.name;
}

IOStatus Momentary(IOStatus status) {
  status.SetRetryable(true);
  return status;
}

std::string ThreadName() {
  char name[16] = "";
  ::pthread_getname_np(::pthread_self(), name, sizeof(name));
  return name;
}

class FaultTest : public RocksDbTest, public ::testing::WithParamInterface<Fault> {};

INSTANTIATE_TEST_SUITE_P(
    Each, FaultTest,
    ::testing::Values(
        Fault{"FullDisk", Call::kAppend, ".log", IOStatus::NoSpace("injected"), "disk full"},
        Fault{"ShortWrite", Call::kAppend, ".log", IOStatus::IOError("injected"), "disk error"},
        Fault{"Fsync", Call::kSync, ".log", IOStatus::IOError("injected"), "disk error"},
        Fault{"FullDiskForATable", Call::kAppend, ".sst", IOStatus::NoSpace("injected"),
              "disk full"},
        Fault{"FsyncOfATable", Call::kSync, ".sst", IOStatus::IOError("injected"), "disk error"},
        // After which RocksDB alone would go on.
        Fault{"MomentaryFaultOfAMerge", Call::kSync, ".sst",
              Momentary(IOStatus::IOError("injected")), "disk error", ":low"},
        Fault{"NoMoreFiles", Call::kCreate, ".log", IOStatus::NoSpace("injected"), "disk full"}),
    [](const auto& fault) { return fault.param.name; });

// Each write is two keys of one value; the fault comes at the 1st, 8th, 15th … of these calls.
TEST_P(FaultTest, MakesTheStorageReadOnlyAndLosesNoAcknowledgedWrite) {
  const Fault& fault = GetParam();
  for (int good_calls : {0, 7, 14}) {
    Close();
    fs::remove_all(path_);
    std::atomic<int> notices = 0;
    ASSERT_EQ(Open({.write_buffer_bytes = kSmallBuffer,
                    .on_read_only = [&notices](const absl::Status&) { ++notices; }}),
              absl::OkStatus());
    std::atomic<int> left = good_calls;
    files_.SetHook([&](Call call, std::string_view file) {
      return call == fault.call && file.ends_with(fault.file) &&
                     ThreadName().ends_with(fault.thread) && left-- <= 0
                 ? fault.status
                 : IOStatus::OK();
    });
    int acknowledged = 0;
    absl::Status failed;
    while (failed.ok() && acknowledged < 5000) {
      failed = WriteAll(*storage_, {WriterBatch(0, acknowledged + 1)});
      if (failed.ok()) ++acknowledged;
    }
    ASSERT_TRUE(absl::IsInternal(failed)) << failed << acknowledged;
    EXPECT_THAT(MessageOf(failed),
                AllOf(HasSubstr("storage is read-only"), HasSubstr(fault.message), HasSubstr(path_),
                      HasSubstr("restart the server")));

    files_.SetHook(nullptr);
    EXPECT_EQ(Put("a"), failed);
    EXPECT_EQ(Put("a"), failed);
    EXPECT_EQ(notices, 1);
    for (const bool reopened : {false, true}) {
      if (reopened) {
        ASSERT_EQ(Open(), absl::OkStatus());
      }
      for (int i = 1; i <= acknowledged + 1; ++i) {
        const std::optional<std::string> a = Get("0/a/" + std::to_string(i));
        EXPECT_EQ(a, Get("0/b/" + std::to_string(i)));
        EXPECT_TRUE(a == WriterValue(i) || (i > acknowledged && !a)) << i;
      }
    }
    EXPECT_EQ(Put("a"), absl::OkStatus());
  }
}

// ---- Kills
// ---------------------------------------------------------------------------------------

// belfry-storage-writer with a pipe from its standard output.
class Writer {
 public:
  Writer(const std::string& path, int first) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    const std::string number = std::to_string(first);
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char* const arguments[] = {const_cast<char*>(BELFRY_STORAGE_WRITER),
                               const_cast<char*>(path.c_str()), const_cast<char*>(number.c_str()),
                               nullptr};
    if (::posix_spawn(&process_, arguments[0], &actions, nullptr, arguments, environ) != 0) {
      std::abort();
    }
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output_ = ::fdopen(ends[0], "r");
  }
  ~Writer() {
    Kill();
    std::fclose(output_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Reads one acknowledgement: false when it has ended.
  bool ReadOne() {
    int thread = 0;
    int number = 0;
    if (std::fscanf(output_, "%d %d\n", &thread, &number) != 2) return false;
    acknowledged_[thread] = number;
    return true;
  }
  // With SIGKILL; what it has acknowledged until then can still be read.
  void Kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
  }
  // The last number of each thread that has one.
  const std::map<int, int>& acknowledged() const { return acknowledged_; }

 private:
  pid_t process_ = 0;
  std::FILE* output_ = nullptr;
  std::map<int, int> acknowledged_;
};

TEST_F(RocksDbTest, AProcessThatHasTheDirectoryOpenKeepsItUntilItIsKilled) {
  Writer writer(path_, 1);
  ASSERT_TRUE(writer.ReadOne());
  EXPECT_EQ(Open().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(writer.ReadOne());
  writer.Kill();
  EXPECT_EQ(Open(), absl::OkStatus());
}

TEST_F(RocksDbTest, AKillAtAnyMomentLosesNothingAcknowledgedAndLeavesNothingHalf) {
  std::map<std::string, std::set<int>> expected;  // The numbers in each folder.
  for (int round = 0; round < 8; ++round) {
    const int first = 1 + round * 10'000;
    Writer writer(path_, first);
    for (int acknowledged = 0; acknowledged <= round * 23; ++acknowledged) {
      ASSERT_TRUE(writer.ReadOne());
    }
    writer.Kill();
    while (writer.ReadOne()) {
    }
    ASSERT_EQ(Open(), absl::OkStatus());
    for (int thread = 0; thread < kWriterThreads; ++thread) {
      const auto last = writer.acknowledged().find(thread);
      const int acknowledged = last == writer.acknowledged().end() ? first - 1 : last->second;
      for (const char* const folder : {"/a/", "/b/"}) {
        const std::string name = std::to_string(thread) + folder;
        std::set<int>& numbers = expected[name];
        for (int i = first; i <= acknowledged; ++i) numbers.insert(i);
        // One more may have been stored, and then in both.
        const std::string next = std::to_string(acknowledged + 1);
        if (Get(std::to_string(thread) + "/a/" + next)) numbers.insert(acknowledged + 1);
        std::set<int> found;
        const std::vector<Entry> entries = storage_->Scan(name, "", 1'000'000).value();
        for (const Entry& entry : entries) {
          const int number = std::stoi(entry.key.substr(name.size()));
          ASSERT_EQ(entry.value, WriterValue(number)) << entry.key;
          found.insert(number);
        }
        ASSERT_EQ(found, numbers) << name << " in round " << round;
      }
    }
    Close();
  }
}

}  // namespace
}  // namespace belfry::storage
