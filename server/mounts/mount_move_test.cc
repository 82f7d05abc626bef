#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "server/mounts/mount_manager_fixture.h"

namespace belfry::mounts {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MountMoveTest : public MountManagerTest {
 protected:
  MountMoveTest() { EXPECT_TRUE(Enable("old").ok()); }

  // Where another host that starts over the same storage finds mounts with engines.
  std::vector<std::string> Stored() {
    FakeFactory factory;
    FakeLeases leases;
    MountRouter router;
    const auto next = MountManager::Create(
        {.router = &router, .leases = &leases, .storage = storage_.get(), .factory = &factory});
    EXPECT_TRUE(next->Start().ok());
    std::vector<std::string> paths;
    for (const auto& mount : router.List()) {
      if (mount->engine != nullptr) paths.push_back(mount->entry.path);
    }
    next->Stop();
    return paths;
  }
};

TEST_F(MountMoveTest, AMovedMountIsTheSameAtAnotherPath) {
  const Mount before = *router_.At("old/");
  const absl::StatusOr<std::string> id = mounts_->Move("old", "new/home");
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(Found("old/a"), "none");
  EXPECT_EQ(Found("new/home/a"), "new/home/|a");
  const std::shared_ptr<const Mount> after = router_.At("new/home/");
  EXPECT_EQ(after->engine, before.engine);
  MountEntry expected = before.entry;
  expected.path = "new/home/";
  EXPECT_EQ(after->entry, expected);
  EXPECT_EQ(**storage_->Get("logical/" + before.entry.uuid + "/a"), "v");
  EXPECT_THAT(Stored(), ElementsAre("new/home/"));
}

TEST_F(MountMoveTest, TheEngineIsToldWhereItIs) {
  ASSERT_TRUE(mounts_->Move("old", "new").ok());
  ASSERT_EQ(factory_.restarts.entries.size(), 1u);
  EXPECT_EQ(factory_.restarts.entries[0].path, "new/");
}

TEST_F(MountMoveTest, AMoveIsKnownByItsId) {
  const absl::StatusOr<std::string> id = mounts_->Move("old", "new");
  const std::optional<MountMove> move = mounts_->FindMove(*id);
  ASSERT_TRUE(move.has_value());
  EXPECT_EQ(move->source, "old/");
  EXPECT_EQ(move->target, "new/");
  EXPECT_EQ(mounts_->FindMove("nosuch"), std::nullopt);
  EXPECT_THAT(log_->Lines().back(),
              HasSubstr("moved a mount: from=old/ to=new/ migration_id=" + *id));
}

TEST_F(MountMoveTest, WhatCannotBeMovedStaysAndSaysWhy) {
  ASSERT_TRUE(Enable("secret").ok());
  EXPECT_EQ(mounts_->Move("nosuch", "x").status(),
            absl::NotFoundError("no matching mount at \"nosuch/\""));
  EXPECT_EQ(mounts_->Move("auth/people", "auth/folks").status(),
            absl::NotFoundError("no matching mount at \"people/\""));
  EXPECT_EQ(mounts_->Move("old", "secret").status(),
            absl::AlreadyExistsError("path already in use at \"secret/\""));
  EXPECT_EQ(mounts_->Move("old", "old/deeper").status(),
            absl::AlreadyExistsError("path already in use at \"old/\""));
  EXPECT_EQ(mounts_->Move("sys", "y").status(),
            absl::InvalidArgumentError("cannot remount \"sys/\""));
  for (const std::string target : {"sys/x/", "auth/x/", "cubbyhole/"}) {
    EXPECT_EQ(mounts_->Move("old", target).status(),
              absl::InvalidArgumentError("cannot remount to destination " + target));
  }
  for (const std::string target : {"a//b", "a/../b", "+", "a*", ""})
    EXPECT_EQ(mounts_->Move("old", target).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Found("old/a"), "old/|a");
  EXPECT_TRUE(Enable("x").ok()) << "a path is kept for a move that failed";
}

TEST_F(MountMoveTest, AMoveWaitsForRequestsUnderWay) {
  std::optional<Route> under_way = router_.Find("old/a");
  std::future<absl::StatusOr<std::string>> moved =
      std::async(std::launch::async, [this] { return mounts_->Move("old", "new"); });
  while (factory_.restarts.looked_at == 0) std::this_thread::yield();
  EXPECT_EQ(Found("old/a"), "none");
  EXPECT_EQ(Found("new/a"), "none");
  EXPECT_EQ(Enable("old"), absl::AlreadyExistsError("path is already in use at old/"));
  under_way.reset();
  EXPECT_TRUE(moved.get().ok());
  EXPECT_TRUE(Enable("old").ok()) << "its old path is free";
}

TEST_F(MountMoveTest, WhileItMovesItIsNeitherDisabledNorMovedAgainNorTakenForAbsent) {
  leases_.before_revoked = [this] {
    for (const std::string path : {"old", "new"}) {
      EXPECT_EQ(mounts_->Disable(MountClass::kSecret, path).code(), absl::StatusCode::kAborted);
      EXPECT_TRUE(router_.IsMoving(path + "/a"));
      EXPECT_TRUE(router_.IsMoving(path));
      EXPECT_FALSE(router_.IsMoving(path + "er/a"));
    }
    EXPECT_EQ(mounts_->Move("old", "newer").status().code(), absl::StatusCode::kAborted);
  };
  ASSERT_TRUE(mounts_->Move("old", "new").ok());
  leases_.before_revoked = [] {};
  EXPECT_EQ(Found("new/a"), "new/|a");
  EXPECT_FALSE(router_.IsMoving("new/a"));
  EXPECT_FALSE(router_.IsMoving("old/a"));
  EXPECT_TRUE(mounts_->Disable(MountClass::kSecret, "new").ok());
}

TEST_F(MountMoveTest, WhatTunesTheMountAboveIsNoPlaceForOne) {
  EXPECT_EQ(mounts_->Move("old", "x/tune").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(MountMoveTest, AMountWhoseLeasesCannotBeRevokedStaysWhereItWas) {
  leases_.revoked = absl::FailedPreconditionError("the database is away");
  EXPECT_EQ(mounts_->Move("old", "new").status(), leases_.revoked);
  EXPECT_EQ(Found("old/a"), "old/|a");
  EXPECT_EQ(Found("new/a"), "none");
  EXPECT_THAT(Stored(), ElementsAre("old/"));
}

TEST_F(MountMoveTest, AnEngineThatDoesNotGoOnElsewhereKeepsTheMountWhereItWas) {
  factory_.restarts.result = absl::UnavailableError("it does not start");
  EXPECT_EQ(mounts_->Move("old", "new").status(), factory_.restarts.result);
  EXPECT_EQ(Found("old/a"), "old/|a");
  EXPECT_THAT(Stored(), ElementsAre("old/"));
}

TEST_F(MountMoveTest, AMountThatIsBeingMovedAtTheEndIsNotServedAgain) {
  leases_.before_revoked = [this] { mounts_->Stop(); };
  EXPECT_EQ(mounts_->Move("old", "new").status(), absl::AbortedError("the server is stopping"));
  EXPECT_EQ(Found("old/a"), "none");
  EXPECT_EQ(Found("new/a"), "none");
}

TEST(MountMovesTest, TheOldestMovesAreForgotten) {
  MountMoves moves;
  const std::string first = moves.Note("a/", "b/");
  const std::string second = moves.Note("b/", "c/");
  for (std::size_t i = 1; i < MountMoves::kMost; ++i) moves.Note("x/", "y/");
  EXPECT_EQ(moves.Find(first), std::nullopt);
  EXPECT_TRUE(moves.Find(second).has_value());
}

}  // namespace
}  // namespace belfry::mounts
