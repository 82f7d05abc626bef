#include "server/storage/storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/storage/committer.h"

namespace belfry::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StorageTest : public ::testing::Test {
 protected:
  void Fill(std::string_view key) { ASSERT_TRUE(Put(*storage_, key, "v").ok()); }

  absl::Status Apply(Storage& storage, std::vector<Operation> operations) {
    return CommitAndWait(storage, {.operations = std::move(operations), .events = {}});
  }

  std::unique_ptr<Storage> storage_ = NewInMemoryStorage();
};

TEST_F(StorageTest, WhatWasPutIsReadBackAsBytes) {
  const std::string bytes("\0\xff\n", 3);
  ASSERT_TRUE(Put(*storage_, "a/b", bytes).ok());
  EXPECT_EQ(**storage_->Get("a/b"), bytes);
}

TEST_F(StorageTest, AMissingKeyIsNoError) {
  EXPECT_EQ(*storage_->Get("nope"), std::nullopt);
  EXPECT_TRUE(Delete(*storage_, "nope").ok());
}

TEST_F(StorageTest, ListShowsOneLevelWithFoldersOnce) {
  for (const char* key : {"a", "b/1", "b/2", "b/c/3", "b0", "b-", "c/d/e"}) Fill(key);
  EXPECT_THAT(*storage_->List(""), ElementsAre("a", "b-", "b/", "b0", "c/"));
  EXPECT_THAT(*storage_->List("b/"), ElementsAre("1", "2", "c/"));
  EXPECT_THAT(*storage_->List("nope/"), IsEmpty());
}

TEST_F(StorageTest, AKeyAndAFolderOfOneNameAreBothListed) {
  Fill("a");
  Fill("a/b");
  EXPECT_THAT(*storage_->List(""), ElementsAre("a", "a/"));
}

TEST_F(StorageTest, RelativePathsAreRefusedWithTheTextThatPluginsCompare) {
  const absl::Status refused = absl::InvalidArgumentError("relative paths not supported");
  EXPECT_EQ(Put(*storage_, "a/../b", "v"), refused);
  EXPECT_EQ(storage_->Get("..").status(), refused);
  EXPECT_EQ(Delete(*storage_, "../a"), refused);
  EXPECT_EQ(storage_->List("../").status(), refused);
}

TEST_F(StorageTest, WhatIsAppliedTogetherIsDoneInOrder) {
  Fill("a");
  ASSERT_EQ(Apply(*storage_, {{"b", "1"}, {"a", {}}, {"b", "2"}, {"c", {}}}), absl::OkStatus());
  EXPECT_EQ(*storage_->Get("a"), std::nullopt);
  EXPECT_EQ(**storage_->Get("b"), "2");
}

TEST_F(StorageTest, OneBadKeyAmongThemChangesNothing) {
  Fill("a");
  EXPECT_EQ(Apply(*storage_, {{"b", "1"}, {"a", {}}, {"../c", "2"}}),
            absl::InvalidArgumentError("relative paths not supported"));
  EXPECT_EQ(**storage_->Get("a"), "v");
  EXPECT_EQ(*storage_->Get("b"), std::nullopt);
}

TEST_F(StorageTest, WhoReadsMeanwhileSeesAllOrNothing) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string value = std::to_string(i);
      ASSERT_EQ(Apply(*storage_, {{"x", value}, {"y", value}}), absl::OkStatus());
    }
  });
  for (int i = 0; i < 2000; ++i) {
    const std::optional<std::string> x = *storage_->Get("x");
    const std::optional<std::string> y = *storage_->Get("y");
    EXPECT_GE(std::stoi(y.value_or("-1")), std::stoi(x.value_or("-1")));
  }
  stop = true;
  writer.join();
}

TEST_F(StorageTest, AViewAppliesBelowItsPrefix) {
  const std::unique_ptr<Storage> view = NewView(storage_.get(), "p/");
  Fill("p/a");
  ASSERT_EQ(Apply(*view, {{"a", {}}, {"b", "1"}}), absl::OkStatus());
  EXPECT_THAT(*storage_->List("p/"), ElementsAre("b"));
}

TEST_F(StorageTest, AViewSeesOnlyWhatIsBelowItsPrefix) {
  Fill("logical/1/x");
  Fill("logical/2/y");
  const std::unique_ptr<Storage> view = NewView(storage_.get(), "logical/1/");
  ASSERT_TRUE(Put(*view, "z", "v").ok());
  EXPECT_THAT(*view->List(""), ElementsAre("x", "z"));
  EXPECT_EQ(*view->Get("y"), std::nullopt);
  EXPECT_EQ(view->Get("../2/y").status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(Delete(*view, "x").ok());
  EXPECT_THAT(*storage_->List("logical/1/"), ElementsAre("z"));
}

std::vector<std::string> KeysOf(const absl::StatusOr<std::vector<Entry>>& entries) {
  std::vector<std::string> keys;
  for (const Entry& entry : *entries) keys.push_back(entry.key);
  return keys;
}

TEST_F(StorageTest, AScanGoesOnAfterTheLastKeyOfThePageBefore) {
  for (const char* key : {"a", "p/1", "p/2", "p/2/3", "p/4", "q"}) Fill(key);
  EXPECT_THAT(KeysOf(storage_->Scan("p/", "", 2)), ElementsAre("p/1", "p/2"));
  EXPECT_THAT(KeysOf(storage_->Scan("p/", "p/2", 2)), ElementsAre("p/2/3", "p/4"));
  EXPECT_THAT(KeysOf(storage_->Scan("p/", "p/4", 2)), IsEmpty());
  EXPECT_EQ(storage_->Scan("../", "", 1).status().code(), absl::StatusCode::kInvalidArgument);
  const std::unique_ptr<Storage> view = NewView(storage_.get(), "p/");
  EXPECT_THAT(KeysOf(view->Scan("", "", 3)), ElementsAre("1", "2", "2/3"));
  EXPECT_THAT(KeysOf(view->Scan("2/", "", 3)), ElementsAre("2/3"));
}

TEST_F(StorageTest, ForEachVisitsEveryEntryOnceHoweverManyPages) {
  WriteBatch batch;
  for (int i = 0; i < 2500; ++i) batch.Put("p/" + std::to_string(10'000 + i), std::to_string(i));
  batch.Put("q", "");
  ASSERT_EQ(CommitAndWait(*storage_, std::move(batch)), absl::OkStatus());
  std::set<std::string> visited;
  EXPECT_EQ(ForEach(*storage_, "p/",
                    [&visited](const Entry& entry) {
                      EXPECT_TRUE(visited.insert(entry.value).second) << entry.key;
                      return absl::OkStatus();
                    }),
            absl::OkStatus());
  EXPECT_EQ(visited.size(), 2500u);
  EXPECT_EQ(ForEach(*storage_, "", [](const Entry&) { return absl::AbortedError("enough"); }),
            absl::AbortedError("enough"));
  ASSERT_EQ(DeleteAll(*storage_, "p/"), absl::OkStatus());
  EXPECT_THAT(*storage_->List(""), ElementsAre("q"));
}

TEST_F(StorageTest, DeleteAllTakesEverythingBelowAndNothingBeside) {
  for (const char* key : {"p/a", "p/b/c", "p/b/d/e", "pq", "q/a"}) Fill(key);
  ASSERT_TRUE(DeleteAll(*storage_, "p/").ok());
  EXPECT_THAT(*storage_->List(""), ElementsAre("pq", "q/"));
}

TEST_F(StorageTest, AKeyThatEndsInASlashIsAFolderOfItsParentAndGoesWithIt) {
  for (const char* key : {"a/b/", "a//c", "a/b/d"}) {
    ASSERT_TRUE(Put(*storage_, key, "v").ok());
  }
  EXPECT_THAT(*storage_->List("a/"), ::testing::ElementsAre("/", "b/"));
  EXPECT_THAT(*storage_->List("a/b/"), ::testing::ElementsAre("d"));
  ASSERT_TRUE(DeleteAll(*storage_, "a/").ok());
  for (const char* key : {"a/b/", "a//c", "a/b/d"}) {
    EXPECT_EQ(*storage_->Get(key), std::nullopt) << key;
  }
}

}  // namespace
}  // namespace belfry::storage
