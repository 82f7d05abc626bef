#include "server/mounts/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "server/mounts/testing.h"

namespace belfry::mounts {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

MountEntry Entry(std::string path, std::string description = "") {
  MountEntry entry;
  entry.uuid = "uuid of " + path;
  entry.path = std::move(path);
  entry.description = std::move(description);
  return entry;
}

class MountRouterTest : public ::testing::Test {
 protected:
  std::string Found(std::string_view path) const {
    const std::optional<Route> route = router_.Find(path);
    return route ? route->mount->entry.path + "|" + route->path : "none";
  }

  StubEngine engine_;  // The router never asks one for anything.
  MountRouter router_;
};

TEST_F(MountRouterTest, TheLongestMountAtASlashIsFound) {
  router_.Add(Entry("a/"), &engine_);
  router_.Add(Entry("a/b/"), &engine_);
  EXPECT_EQ(Found("a/b/c"), "a/b/|c");
  EXPECT_EQ(Found("a/b"), "a/b/|");
  EXPECT_EQ(Found("a/bc/"), "a/|bc/");
  EXPECT_EQ(Found("a"), "a/|");
  EXPECT_EQ(Found("ab"), "none");
  EXPECT_EQ(Found(""), "none");
  EXPECT_EQ(router_.At("a/b/")->entry.path, "a/b/");
  EXPECT_EQ(router_.At("a/b"), nullptr);
}

TEST_F(MountRouterTest, MountsAreListedInOrderOfPath) {
  router_.Add(Entry("b/"), &engine_);
  router_.Add(Entry("a/"), nullptr);
  std::vector<std::string> paths;
  for (const auto& mount : router_.List()) paths.push_back(mount->entry.path);
  EXPECT_THAT(paths, ElementsAre("a/", "b/"));
}

TEST_F(MountRouterTest, WhoRemovesAMountCanWaitForWhoeverFoundIt) {
  router_.Add(Entry("a/"), &engine_);
  std::optional<Route> found = router_.Find("a/x");
  std::shared_ptr<const Mount> exact = router_.At("a/");
  std::vector<std::shared_ptr<const Mount>> all = router_.List();
  const std::optional<MountRouter::Removed> removed = router_.Remove("a/");
  ASSERT_TRUE(removed.has_value());
  EXPECT_EQ(Found("a/x"), "none");
  EXPECT_EQ(found->mount->engine, &engine_);
  found.reset();
  exact.reset();
  EXPECT_FALSE(removed->AwaitUsers(absl::ZeroDuration())) << "the list is a use, too";
  std::future<bool> unused =
      std::async(std::launch::async, [&removed] { return removed->AwaitUsers(absl::Minutes(1)); });
  all.clear();
  EXPECT_TRUE(unused.get());
}

TEST_F(MountRouterTest, AChangedMountHasTheUsersItHadBefore) {
  router_.Add(Entry("a/", "old"), &engine_);
  std::shared_ptr<const Mount> before = router_.At("a/");
  router_.Replace(Entry("a/", "new"));
  EXPECT_EQ(before->entry.description, "old");
  EXPECT_EQ(router_.At("a/")->entry.description, "new");
  EXPECT_EQ(router_.At("a/")->engine, &engine_);
  const std::optional<MountRouter::Removed> removed = router_.Remove("a/");
  EXPECT_FALSE(removed->AwaitUsers(absl::ZeroDuration()));
  before.reset();
  EXPECT_TRUE(removed->AwaitUsers(absl::ZeroDuration()));
}

TEST_F(MountRouterTest, AChangeOfAMountThatHasGoneIsIgnored) {
  router_.Replace(Entry("a/", "new"));
  EXPECT_EQ(Found("a/x"), "none");
  MountEntry other = Entry("a/", "another mount");
  other.uuid = "another";
  router_.Add(other, &engine_);
  router_.Replace(Entry("a/", "new"));
  EXPECT_EQ(router_.At("a/")->entry.description, "another mount");
}

TEST_F(MountRouterTest, AChangeDuringARemovalCountsWhenTheMountIsPutBack) {
  router_.Add(Entry("a/", "old"), &engine_);
  const std::shared_ptr<const Mount> in_use = router_.At("a/");
  ASSERT_TRUE(router_.Remove("a/").has_value());
  router_.Replace(Entry("a/", "new"));
  EXPECT_EQ(Found("a/x"), "none");
  EXPECT_EQ(router_.Latest(*in_use).description, "new");
  EXPECT_TRUE(router_.PutBack("a/"));
  EXPECT_EQ(router_.At("a/")->entry.description, "new");
}

TEST_F(MountRouterTest, APathIsKeptForWhatComesAndGoes) {
  EXPECT_EQ(router_.Reserve("a/b/"), std::nullopt);
  EXPECT_EQ(router_.Reserve("a/b/"), "a/b/");
  EXPECT_EQ(router_.Reserve("a/"), "a/b/");
  EXPECT_EQ(router_.Reserve("a/b/c/"), "a/b/");
  EXPECT_EQ(router_.Reserve("a/c/"), std::nullopt);
  EXPECT_TRUE(router_.Add(Entry("a/b/"), &engine_));
  EXPECT_EQ(router_.Reserve("a/b/"), "a/b/") << "it is mounted";
  ASSERT_TRUE(router_.Remove("a/b/").has_value());
  EXPECT_EQ(router_.Reserve("a/b/"), "a/b/") << "it is going";
  router_.Release("a/b/");
  EXPECT_EQ(router_.Reserve("a/b/"), std::nullopt);
  EXPECT_FALSE(router_.Remove("a/b/").has_value());
}

TEST_F(MountRouterTest, AMountThatIsPutBackCanBeRemovedAgain) {
  ASSERT_EQ(router_.Reserve("a/"), std::nullopt);
  EXPECT_TRUE(router_.Add(Entry("a/"), &engine_));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(router_.Remove("a/").has_value());
    EXPECT_EQ(Found("a/x"), "none");
    EXPECT_TRUE(router_.PutBack("a/"));
    EXPECT_EQ(Found("a/x"), "a/|x");
  }
}

TEST_F(MountRouterTest, AClosedRouterHasOnlyTheHostsOwnMountsAndTakesNoMore) {
  router_.Add(Entry("a/"), &engine_);
  router_.Add(Entry("b/"), &engine_);
  router_.Add(Entry("sys/"), nullptr);
  ASSERT_TRUE(router_.Remove("b/").has_value());
  const std::vector<MountRouter::Removed> removed = router_.Close();
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].mount().entry.path, "a/");
  EXPECT_FALSE(router_.Add(Entry("c/"), &engine_));
  EXPECT_FALSE(router_.PutBack("b/"));
  EXPECT_EQ(Found("a/x"), "none");
  EXPECT_EQ(Found("b/x"), "none");
  EXPECT_EQ(Found("c/x"), "none");
  EXPECT_EQ(Found("sys/x"), "sys/|x");
  EXPECT_THAT(router_.Close(), IsEmpty());
}

}  // namespace
}  // namespace belfry::mounts
