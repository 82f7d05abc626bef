#include "server/access/cubbyholes.h"
#include "server/storage/committer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "server/access/testing.h"

namespace belfry::access {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

class CubbyholesTest : public ::testing::Test {
 protected:
  static LiveToken Token(std::string id, const std::shared_ptr<TokenValidity>& life) {
    return {.entry = {.id = std::move(id)}, .life = life};
  }

  FakeClock clock_{absl::FromUnixSeconds(1'795'413'461)};
  const std::unique_ptr<storage::Storage> storage_ = storage::NewInMemoryStorage();
  GatedStorage gate_{storage_.get()};
  Cubbyholes cubbyholes_{&gate_, &clock_};
  const std::shared_ptr<TokenValidity> life_ =
      std::make_shared<TokenValidity>(clock_.Now() + absl::Hours(1));
  const LiveToken mine_ = Token("mine", life_);
  const LiveToken other_ = Token("other", std::make_shared<TokenValidity>(absl::InfiniteFuture()));
};

TEST_F(CubbyholesTest, EachTokenSeesOnlyItsOwn) {
  ASSERT_EQ(cubbyholes_.Put(mine_, "a/b", "1"), absl::OkStatus());
  ASSERT_EQ(cubbyholes_.Put(other_, "a/b", "2"), absl::OkStatus());
  EXPECT_THAT(*cubbyholes_.Get(mine_, "a/b"), Optional(std::string("1")));
  EXPECT_THAT(*cubbyholes_.Get(other_, "a/b"), Optional(std::string("2")));
  EXPECT_THAT(*cubbyholes_.List(mine_, ""), ElementsAre("a/"));
  EXPECT_THAT(*cubbyholes_.List(mine_, "a/"), ElementsAre("b"));
  ASSERT_EQ(cubbyholes_.Delete(mine_, "a/b"), absl::OkStatus());
  EXPECT_EQ(*cubbyholes_.Get(mine_, "a/b"), std::nullopt);
  EXPECT_THAT(*cubbyholes_.Get(other_, "a/b"), Optional(std::string("2")));
}

TEST_F(CubbyholesTest, NothingComesBackAfterTheTokensEnd) {
  ASSERT_EQ(cubbyholes_.Put(mine_, "a/b", "1"), absl::OkStatus());
  ASSERT_EQ(cubbyholes_.Put(other_, "a", "2"), absl::OkStatus());
  life_->End();
  ASSERT_EQ(cubbyholes_.Clear(mine_.entry), absl::OkStatus());
  EXPECT_EQ(cubbyholes_.Put(mine_, "a", "3").code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(*cubbyholes_.List(mine_, ""), IsEmpty());
  EXPECT_THAT(*cubbyholes_.List(other_, ""), ElementsAre("a"));
}

TEST_F(CubbyholesTest, AWriteThatIsPendingHoldsUpNobodyAndDoesNotOutliveItsToken) {
  ASSERT_EQ(cubbyholes_.Put(other_, "a", "1"), absl::OkStatus());
  gate_.Close();
  absl::Status written;
  std::thread writer([&] { written = cubbyholes_.Put(mine_, "a", "2"); });
  gate_.Await();
  EXPECT_THAT(*cubbyholes_.Get(other_, "a"), Optional(std::string("1")));
  life_->End();
  EXPECT_EQ(cubbyholes_.Clear(mine_.entry), absl::OkStatus());
  gate_.Open();
  writer.join();
  EXPECT_EQ(written.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(*storage_->List(""), ElementsAre("other/"));
}

TEST_F(CubbyholesTest, WhatAnUnknownTokenLeftIsDropped) {
  ASSERT_EQ(cubbyholes_.Put(mine_, "a", "1"), absl::OkStatus());
  ASSERT_EQ(cubbyholes_.Put(other_, "a", "2"), absl::OkStatus());
  ASSERT_EQ(cubbyholes_.DropStrays([](const std::string& id) { return id == "other"; }),
            absl::OkStatus());
  EXPECT_THAT(*storage_->List(""), ElementsAre("other/"));
}

TEST_F(CubbyholesTest, APathThatClimbsOutIsRefused) {
  EXPECT_EQ(cubbyholes_.Get(mine_, "../other/a").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace belfry::access
