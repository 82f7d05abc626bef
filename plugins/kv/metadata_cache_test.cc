#include "plugins/kv/metadata_cache.h"

#include <gtest/gtest.h>

namespace belfry::kv {
namespace {

class MetadataCacheTest : public ::testing::Test {
 protected:
  static KeyMetadata At(std::int64_t version) {
    KeyMetadata metadata;
    metadata.current_version = version;
    return metadata;
  }
  void Keep(const std::string& place, std::int64_t version) {
    cache_.Keep(place, At(version), cache_.now());
  }
  // -1: not known.
  std::int64_t Find(const std::string& place) {
    const std::optional<KeyMetadata> found = cache_.Find(place);
    return found ? found->current_version : -1;
  }

  MetadataCache cache_{2};
};

TEST_F(MetadataCacheTest, TheLastThatWasKeptIsFound) {
  EXPECT_EQ(Find("a"), -1);
  Keep("a", 1);
  Keep("a", 2);
  EXPECT_EQ(Find("a"), 2);
  cache_.Forget("a");
  EXPECT_EQ(Find("a"), -1);
}

TEST_F(MetadataCacheTest, WhatIsAskedForStaysAndTheRestGoes) {
  Keep("a", 1);
  for (int i = 0; i < 100; ++i) {
    Keep(std::to_string(i), i);
    EXPECT_EQ(Find("a"), 1) << i;
  }
  EXPECT_EQ(Find("99"), 99);
  EXPECT_EQ(Find("50"), -1);
}

TEST_F(MetadataCacheTest, WhatWasReadBeforeAnInvalidationIsNotKept) {
  Keep("a", 1);
  Keep("b", 1);
  const std::uint64_t before = cache_.now();
  cache_.Invalidate("a");
  EXPECT_EQ(Find("a"), -1);
  EXPECT_EQ(Find("b"), 1);
  cache_.Keep("a", At(1), before);
  EXPECT_EQ(Find("a"), -1);
  // Nor does what was there before come back.
  cache_.Keep("b", At(2), before);
  EXPECT_EQ(Find("b"), -1);
}

TEST_F(MetadataCacheTest, WhatIsUncertainIsNotKeptUntilItIsCertain) {
  Keep("a", 1);
  cache_.MarkUncertain("a");
  EXPECT_EQ(Find("a"), -1);
  Keep("a", 1);
  EXPECT_EQ(Find("a"), -1);
  Keep("b", 1);
  EXPECT_EQ(Find("b"), 1);
  cache_.MarkCertain("a");
  Keep("a", 2);
  EXPECT_EQ(Find("a"), 2);
}

TEST_F(MetadataCacheTest, WhileMuchIsUncertainNothingIsKept) {
  for (const char* place : {"a", "b", "c"}) cache_.MarkUncertain(place);
  for (const char* place : {"a", "c", "d"}) {
    Keep(place, 1);
    EXPECT_EQ(Find(place), -1) << place;
  }
}

TEST_F(MetadataCacheTest, KeysWithManyVersionsAreNotKept) {
  KeyMetadata metadata = At(1);
  for (std::size_t i = 1; i <= MetadataCache::kMostVersions; ++i) metadata.versions[i];
  cache_.Keep("a", metadata, cache_.now());
  EXPECT_EQ(Find("a"), 1);
  metadata.versions[0];
  cache_.Keep("a", metadata, cache_.now());
  EXPECT_EQ(Find("a"), -1);
}

}  // namespace
}  // namespace belfry::kv
