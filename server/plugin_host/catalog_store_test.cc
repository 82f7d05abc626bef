#include "server/plugin_host/catalog_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/storage/testing.h"

namespace belfry::plugin_host {
namespace {

using mounts::PluginType;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CatalogStoreTest : public ::testing::Test {
 protected:
  // What the next host finds.
  std::vector<Registration> Stored() { return *CatalogStore(&storage_).Load(); }

  storage::FaultyStorage storage_;
  CatalogStore store_{&storage_};
};

TEST_F(CatalogStoreTest, APluginComesBackAsItWasRegistered) {
  const Registration registered{.entry = {.type = PluginType::kSecret,
                                          .name = "a..b c",
                                          .version = "v1.2.3-a..b",
                                          .command = "program",
                                          .args = {"-x", "y z"},
                                          .env = {"A=1", "B="},
                                          .sha256 = std::string(64, 'a')},
                                .replaces_unversioned = true};
  ASSERT_TRUE(store_.Put(registered).ok());
  ASSERT_THAT(Stored(), SizeIs(1));
  EXPECT_EQ(Stored()[0].entry, registered.entry);
  EXPECT_TRUE(Stored()[0].replaces_unversioned);
}

TEST_F(CatalogStoreTest, TheLastOfANameAndVersionCounts) {
  for (const char* command : {"old", "new"})
    ASSERT_TRUE(store_.Put({.entry = {.name = "a", .version = "v1.0.0", .command = command}}).ok());
  ASSERT_TRUE(store_.Put({.entry = {.name = "a", .version = "v2.0.0"}}).ok());
  ASSERT_THAT(Stored(), SizeIs(2));
  EXPECT_EQ(Stored()[0].entry.command, "new");
}

TEST_F(CatalogStoreTest, OneThatReplacesWhatHasNoVersionDoesSoInStorage) {
  ASSERT_TRUE(store_.Put({.entry = {.name = "a", .command = "old"}}).ok());
  ASSERT_TRUE(
      store_.Put({.entry = {.name = "a", .version = "v1.0.0"}, .replaces_unversioned = true}).ok());
  ASSERT_THAT(Stored(), SizeIs(1));
  EXPECT_EQ(Stored()[0].entry.version, "v1.0.0");
}

TEST_F(CatalogStoreTest, WhatIsRemovedDoesNotComeBack) {
  ASSERT_TRUE(store_.Put({.entry = {.name = "a", .version = "v1.0.0"}}).ok());
  ASSERT_TRUE(store_.Delete(PluginType::kSecret, "a", "v1.0.0").ok());
  EXPECT_THAT(Stored(), IsEmpty());
}

TEST_F(CatalogStoreTest, WhatStorageRefusesHasNotHappened) {
  storage_.refuse_puts = true;
  EXPECT_EQ(store_.Put({.entry = {.name = "a"}}), absl::UnavailableError("no"));
  EXPECT_THAT(Stored(), IsEmpty());
}

TEST_F(CatalogStoreTest, WhatCannotBeReadIsSaid) {
  for (const char* text : {"", "{}", R"({"type":"what","name":"a"})", "[1]"}) {
    ASSERT_TRUE(storage::Put(storage_, "sys/plugin-catalog/x", text).ok());
    EXPECT_TRUE(absl::IsDataLoss(store_.Load().status())) << text;
  }
}

}  // namespace
}  // namespace belfry::plugin_host
