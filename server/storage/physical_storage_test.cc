// What every PhysicalStorage does, claimed of each.
#include "server/storage/physical_storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/storage/rocksdb.h"
#include "server/storage/rocksdb_testing.h"

namespace belfry::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

enum class Kind { kMemory, kRocksDb };

class PhysicalStorageTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kMemory) {
      storage_ = NewInMemoryPhysicalStorage();
      return;
    }
    // A buffer so small that what the larger tests write ends up in files, and these are merged.
    auto storage = OpenRocksDbStorage(
        {.path = directory_.path() + "/data", .write_buffer_bytes = std::size_t{64} << 10});
    ASSERT_EQ(storage.status(), absl::OkStatus());
    storage_ = *std::move(storage);
  }

  absl::Status Write(std::vector<WriteBatch> batches) {
    return WriteAll(*storage_, std::move(batches));
  }
  void Fill(const std::vector<std::string>& keys) {
    WriteBatch batch;
    for (const std::string& key : keys) batch.Put(key, "v");
    ASSERT_EQ(Write({std::move(batch)}), absl::OkStatus());
  }
  std::string Value(std::string_view key) const {
    return storage_->Get(key).value().value_or("(none)");
  }
  std::vector<std::string> Keys(std::string_view prefix, std::string_view after,
                                std::size_t limit) const {
    const std::vector<Entry> entries = storage_->Scan(prefix, after, limit).value();
    std::vector<std::string> keys;
    for (const Entry& entry : entries) keys.push_back(entry.key);
    return keys;
  }

  ScratchDirectory directory_;
  std::unique_ptr<PhysicalStorage> storage_;
};

INSTANTIATE_TEST_SUITE_P(Each, PhysicalStorageTest,
                         ::testing::Values(Kind::kMemory, Kind::kRocksDb), [](const auto& kind) {
                           return kind.param == Kind::kMemory ? "Memory" : "RocksDb";
                         });

TEST_P(PhysicalStorageTest, ASnapshotHoldsWhatWasThereWhenItWasTaken) {
  constexpr int kKeys = 2000;
  WriteBatch before;
  for (int i = 0; i < kKeys; ++i) before.Put("key/" + std::to_string(i), std::string(100, 'a'));
  ASSERT_EQ(Write({std::move(before)}), absl::OkStatus());
  const std::unique_ptr<Snapshot> snapshot = storage_->TakeSnapshot();
  int read = 0;
  std::string last;
  for (;;) {
    // Everything changes while it is read, often enough that files are written and merged.
    WriteBatch after;
    for (int i = 0; i < kKeys; ++i) after.Put("key/" + std::to_string(i), std::string(100, 'b'));
    after.Put("new/" + std::to_string(read), "b");
    after.Delete("key/" + std::to_string(read));
    ASSERT_EQ(Write({std::move(after)}), absl::OkStatus());
    const auto entries = snapshot->Next(20'000);
    ASSERT_EQ(entries.status(), absl::OkStatus());
    if (entries->empty()) break;
    for (const Entry& entry : *entries) {
      EXPECT_LT(last, entry.key);
      EXPECT_EQ(entry.value, std::string(100, 'a')) << entry.key;
      last = entry.key;
      ++read;
    }
  }
  EXPECT_EQ(read, kKeys);
}

TEST_P(PhysicalStorageTest, ASnapshotComesInPartsOfTheSizeAskedFor) {
  Fill({"a", "b", "c", "d", "e"});
  const std::unique_ptr<Snapshot> snapshot = storage_->TakeSnapshot();
  EXPECT_EQ(snapshot->Next(1)->size(), 1);
  EXPECT_EQ(snapshot->Next(4)->size(), 2);
  EXPECT_EQ(snapshot->Next(1'000)->size(), 2);
  EXPECT_THAT(*snapshot->Next(1'000), IsEmpty());
}

TEST_P(PhysicalStorageTest, KeysAndValuesAreBytes) {
  const std::string bytes("\0\xff\n", 3);
  WriteBatch batch;
  batch.Put(bytes, bytes);
  batch.Put("", "of the empty key");
  batch.Put("empty", "");
  batch.Put("long", std::string(1 << 20, 'x'));
  ASSERT_EQ(Write({std::move(batch)}), absl::OkStatus());
  EXPECT_EQ(Value(bytes), bytes);
  EXPECT_EQ(Value(""), "of the empty key");
  EXPECT_EQ(Value("empty"), "");
  EXPECT_EQ(Value("long"), std::string(1 << 20, 'x'));
}

TEST_P(PhysicalStorageTest, AMissingKeyIsNoError) {
  EXPECT_EQ(*storage_->Get("nope"), std::nullopt);
  WriteBatch batch;
  batch.Delete("nope");
  EXPECT_EQ(Write({std::move(batch)}), absl::OkStatus());
  EXPECT_EQ(*storage_->Get("nope"), std::nullopt);
}

TEST_P(PhysicalStorageTest, AWriteOfNothingChangesNothing) {
  EXPECT_EQ(Write({}), absl::OkStatus());
  EXPECT_EQ(Write({{}, {}}), absl::OkStatus());
  EXPECT_THAT(Keys("", "", 10), IsEmpty());
}

TEST_P(PhysicalStorageTest, OperationsAreDoneInTheirOrderAcrossBatches) {
  Fill({"a"});
  WriteBatch first;
  first.Put("b", "1");
  first.Delete("a");
  first.Put("b", "2");
  WriteBatch second;
  second.Delete("b");
  second.Put("c", "1");
  WriteBatch third;
  third.Put("a", "back");
  third.Put("c", "2");
  ASSERT_EQ(Write({std::move(first), std::move(second), std::move(third)}), absl::OkStatus());
  EXPECT_EQ(Value("a"), "back");
  EXPECT_EQ(Value("b"), "(none)");
  EXPECT_EQ(Value("c"), "2");
}

TEST_P(PhysicalStorageTest, ListHasOneLevelInOrderWithEachFolderOnce) {
  Fill({"a", "b", "b/", "b/1", "b/2", "b/c/3", "b/c/4", "b0", "b-", "c/d/e", "\xff/x", "\xff\xff"});
  EXPECT_THAT(*storage_->List(""),
              ElementsAre("a", "b", "b-", "b/", "b0", "c/", "\xff/", "\xff\xff"));
  EXPECT_THAT(*storage_->List("b/"), ElementsAre("1", "2", "c/"));
  EXPECT_THAT(*storage_->List("\xff/"), ElementsAre("x"));
  EXPECT_THAT(*storage_->List("nope/"), IsEmpty());
}

TEST_P(PhysicalStorageTest, AScanContinuesAfterTheLastKeyOfThePageBefore) {
  Fill({"a", "p", "p/", "p/1", "p/2", "p/2/3", "p/4", "q"});
  EXPECT_THAT(Keys("p/", "", 2), ElementsAre("p/", "p/1"));
  EXPECT_THAT(Keys("p/", "p/1", 2), ElementsAre("p/2", "p/2/3"));
  EXPECT_THAT(Keys("p/", "p/2/3", 2), ElementsAre("p/4"));
  EXPECT_THAT(Keys("p/", "p/4", 2), IsEmpty());
  EXPECT_THAT(Keys("p/", "p/", 1), ElementsAre("p/1"));
  EXPECT_THAT(Keys("p/", "p/1/not there", 1), ElementsAre("p/2"));
  EXPECT_THAT(Keys("p/", "z", 2), IsEmpty());
  EXPECT_THAT(Keys("p/", "", 0), IsEmpty());
  EXPECT_THAT(Keys("", "p/4", 9), ElementsAre("q"));
}

TEST_P(PhysicalStorageTest, AScanFindsPrefixesOfTheHighestBytes) {
  Fill({"\xfe", "\xff", "\xff\xff", "\xff\xff\x01", "a\xff", "a\xff\x01", "b"});
  EXPECT_THAT(Keys("\xff", "", 9), ElementsAre("\xff", "\xff\xff", "\xff\xff\x01"));
  EXPECT_THAT(Keys("a\xff", "", 9), ElementsAre("a\xff", "a\xff\x01"));
}

TEST_P(PhysicalStorageTest, AReaderSeesAllBatchesOfAWriteOrNone) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      WriteBatch x;
      x.Put("x", std::to_string(i));
      WriteBatch y;
      y.Put("y", std::to_string(i));
      ASSERT_EQ(Write({std::move(x), std::move(y)}), absl::OkStatus());
    }
  });
  for (int seen = 0; seen < 200;) {
    const std::vector<Entry> entries = storage_->Scan("", "", 9).value();
    if (entries.empty()) continue;
    ASSERT_EQ(entries.size(), 2u);
    ASSERT_EQ(entries[0].value, entries[1].value);
    seen = std::stoi(entries[0].value);
  }
  stop = true;
  writer.join();
}

// Random keys of few characters, so that many are prefixes and folders of others.
TEST_P(PhysicalStorageTest, AfterAnyWritesItHoldsWhatAMapWouldHold) {
  std::mt19937 random(1);
  const auto key = [&] {
    std::string text;
    for (auto length = random() % 6; length > 0; --length) text += "/ab\xff"[random() % 4];
    return text;
  };
  std::map<std::string, std::string> model;
  for (int round = 0; round < 300; ++round) {
    std::vector<WriteBatch> batches(random() % 3);
    for (WriteBatch& batch : batches) {
      for (auto left = random() % 8; left > 0; --left) {
        if (random() % 3 == 0) {
          batch.Delete(key());
          model.erase(batch.operations.back().key);
        } else {
          batch.Put(key(), std::string(random() % 500, 'v') + std::to_string(round));
          model[batch.operations.back().key] = *batch.operations.back().value;
        }
      }
    }
    ASSERT_EQ(Write(std::move(batches)), absl::OkStatus());
    const std::string prefix = key();
    const std::string after = key();
    const std::size_t limit = random() % 20;
    std::vector<std::string> expected;
    for (const auto& [name, value] : model) {
      if (name.starts_with(prefix) && (after < prefix || name > after) && expected.size() < limit) {
        expected.push_back(name);
      }
    }
    ASSERT_EQ(Keys(prefix, after, limit), expected) << prefix << " after " << after;
    const auto it = model.find(after);
    ASSERT_EQ(Value(after), it == model.end() ? "(none)" : it->second);
  }
  const std::vector<Entry> entries = storage_->Scan("", "", 1'000'000).value();
  std::map<std::string, std::string> held;
  for (const Entry& entry : entries) held[entry.key] = entry.value;
  model.erase("");  // It comes after no key.
  EXPECT_EQ(held, model);
}

}  // namespace
}  // namespace belfry::storage
