#include "sdk/src/testing/fake_storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belfry::testing {
namespace {

using ::testing::ElementsAre;

class FakeStorageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* key : {"b/d", "a", "b/c", "b/c/e", "bb"})
      ASSERT_EQ(storage_.Put(key, "value"), absl::OkStatus());
  }
  InMemoryFakeStorage storage_;
};

TEST_F(FakeStorageTest, ListsOneLevelInOrder) {
  EXPECT_THAT(*storage_.List(""), ElementsAre("a", "b/", "bb"));
  EXPECT_THAT(*storage_.List("b/"), ElementsAre("c", "c/", "d"));
  EXPECT_THAT(*storage_.List("none/"), ElementsAre());
}

TEST_F(FakeStorageTest, WhatIsNotThereIsNoError) {
  EXPECT_EQ(*storage_.Get("none"), std::nullopt);
  EXPECT_EQ(storage_.Delete("none"), absl::OkStatus());
}

TEST_F(FakeStorageTest, OneCallFailsAsAskedAndTheNextDoesNot) {
  storage_.FailNext(absl::UnavailableError("gone"));
  EXPECT_EQ(storage_.Get("a").status(), absl::UnavailableError("gone"));
  EXPECT_EQ(*storage_.Get("a"), "value");
}

TEST_F(FakeStorageTest, ReadOnlyRefusesWritesInTheHostsWordsAndNothingElse) {
  storage_.ReadOnly();
  const absl::Status refusal = absl::FailedPreconditionError("cannot write to readonly storage");
  EXPECT_EQ(storage_.Put("a", "new"), refusal);
  EXPECT_EQ(storage_.Delete("a"), refusal);
  EXPECT_EQ(*storage_.Get("a"), "value");
  storage_.Writable();
  EXPECT_EQ(storage_.Put("a", "new"), absl::OkStatus());
}

TEST_F(FakeStorageTest, KeysDoNotClimb) {
  EXPECT_EQ(storage_.Get("../a").status(),
            absl::InvalidArgumentError("relative paths not supported"));
}

}  // namespace
}  // namespace belfry::testing
