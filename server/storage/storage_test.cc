#include "server/storage/storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace belfry::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StorageTest : public ::testing::Test {
 protected:
  void Put(std::string_view key) { ASSERT_TRUE(storage_->Put(key, "v").ok()); }

  std::unique_ptr<Storage> storage_ = NewInMemoryStorage();
};

TEST_F(StorageTest, WhatWasPutIsReadBackAsBytes) {
  const std::string bytes("\0\xff\n", 3);
  ASSERT_TRUE(storage_->Put("a/b", bytes).ok());
  EXPECT_EQ(**storage_->Get("a/b"), bytes);
}

TEST_F(StorageTest, AMissingKeyIsNoError) {
  EXPECT_EQ(*storage_->Get("nope"), std::nullopt);
  EXPECT_TRUE(storage_->Delete("nope").ok());
}

TEST_F(StorageTest, ListShowsOneLevelWithFoldersOnce) {
  for (const char* key : {"a", "b/1", "b/2", "b/c/3", "b0", "b-", "c/d/e"}) Put(key);
  EXPECT_THAT(*storage_->List(""), ElementsAre("a", "b-", "b/", "b0", "c/"));
  EXPECT_THAT(*storage_->List("b/"), ElementsAre("1", "2", "c/"));
  EXPECT_THAT(*storage_->List("nope/"), IsEmpty());
}

TEST_F(StorageTest, AKeyAndAFolderOfOneNameAreBothListed) {
  Put("a");
  Put("a/b");
  EXPECT_THAT(*storage_->List(""), ElementsAre("a", "a/"));
}

TEST_F(StorageTest, RelativePathsAreRefusedWithTheTextThatPluginsCompare) {
  const absl::Status refused = absl::InvalidArgumentError("relative paths not supported");
  EXPECT_EQ(storage_->Put("a/../b", "v"), refused);
  EXPECT_EQ(storage_->Get("..").status(), refused);
  EXPECT_EQ(storage_->Delete("../a"), refused);
  EXPECT_EQ(storage_->List("../").status(), refused);
}

TEST_F(StorageTest, WhatIsAppliedTogetherIsDoneInOrder) {
  Put("a");
  ASSERT_TRUE(
      storage_->Apply(std::vector<Operation>{{"b", "1"}, {"a", {}}, {"b", "2"}, {"c", {}}}).ok());
  EXPECT_EQ(*storage_->Get("a"), std::nullopt);
  EXPECT_EQ(**storage_->Get("b"), "2");
}

TEST_F(StorageTest, OneBadKeyAmongThemChangesNothing) {
  Put("a");
  EXPECT_EQ(storage_->Apply(std::vector<Operation>{{"b", "1"}, {"a", {}}, {"../c", "2"}}),
            absl::InvalidArgumentError("relative paths not supported"));
  EXPECT_EQ(**storage_->Get("a"), "v");
  EXPECT_EQ(*storage_->Get("b"), std::nullopt);
}

TEST_F(StorageTest, WhoReadsMeanwhileSeesAllOrNothing) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string value = std::to_string(i);
      ASSERT_TRUE(storage_->Apply(std::vector<Operation>{{"x", value}, {"y", value}}).ok());
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
  Put("p/a");
  ASSERT_TRUE(view->Apply(std::vector<Operation>{{"a", {}}, {"b", "1"}}).ok());
  EXPECT_THAT(*storage_->List("p/"), ElementsAre("b"));
}

TEST_F(StorageTest, AViewSeesOnlyWhatIsBelowItsPrefix) {
  Put("logical/1/x");
  Put("logical/2/y");
  const std::unique_ptr<Storage> view = NewView(storage_.get(), "logical/1/");
  ASSERT_TRUE(view->Put("z", "v").ok());
  EXPECT_THAT(*view->List(""), ElementsAre("x", "z"));
  EXPECT_EQ(*view->Get("y"), std::nullopt);
  EXPECT_EQ(view->Get("../2/y").status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(view->Delete("x").ok());
  EXPECT_THAT(*storage_->List("logical/1/"), ElementsAre("z"));
}

TEST_F(StorageTest, DeleteAllTakesEverythingBelowAndNothingBeside) {
  for (const char* key : {"p/a", "p/b/c", "p/b/d/e", "pq", "q/a"}) Put(key);
  ASSERT_TRUE(DeleteAll(*storage_, "p/").ok());
  EXPECT_THAT(*storage_->List(""), ElementsAre("pq", "q/"));
}

TEST_F(StorageTest, AKeyThatEndsInASlashIsAFolderOfItsParentAndGoesWithIt) {
  for (const char* key : {"a/b/", "a//c", "a/b/d"}) {
    ASSERT_TRUE(storage_->Put(key, "v").ok());
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
