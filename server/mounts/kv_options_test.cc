#include "server/mounts/kv_options.h"

#include <gtest/gtest.h>

namespace belfry::mounts {
namespace {

using Options = std::map<std::string, std::string>;

MountEntry Resolved(std::string type, Options options = {}) {
  MountEntry entry;
  entry.type = std::move(type);
  entry.options = std::move(options);
  ResolveKvType(entry);
  return entry;
}

TEST(KvOptions, AnAliasIsThePluginKvWithItsVersion) {
  EXPECT_EQ(Resolved("kv-v1").type, "kv");
  EXPECT_EQ(Resolved("kv-v1").options, Options({{"version", "1"}}));
  EXPECT_EQ(Resolved("kv-v2", {{"version", "1"}}).options, Options({{"version", "2"}}));
  EXPECT_EQ(Resolved("generic").type, "kv");
  EXPECT_EQ(Resolved("generic").options, Options({{"version", "1"}}));
}

TEST(KvOptions, KvIsOfVersion1UnlessItSaysOtherwise) {
  EXPECT_EQ(Resolved("kv").options, Options({{"version", "1"}}));
  EXPECT_EQ(Resolved("kv", {{"version", "2"}}).options, Options({{"version", "2"}}));
}

TEST(KvOptions, OtherPluginsGetNoVersion) {
  EXPECT_EQ(Resolved("notes").type, "notes");
  EXPECT_TRUE(Resolved("notes").options.empty());
}

TEST(KvOptions, AVersionGoesUpWithAWarning) {
  const std::string warning =
      "Upgrading mount from version 1 to version 2. This mount will be unavailable for a brief "
      "period and will resume service shortly.";
  EXPECT_EQ(*CheckVersionChange({{"version", "1"}}, {{"version", "2"}}), warning);
  EXPECT_EQ(*CheckVersionChange({}, {{"version", "2"}}), warning);
  EXPECT_EQ(*CheckVersionChange({{"version", ""}}, {{"version", "2"}}), warning);
}

TEST(KvOptions, WhatDoesNotChangeTheVersionNeedsNoWarning) {
  EXPECT_EQ(*CheckVersionChange({{"version", "2"}}, {{"version", "2"}}), "");
  EXPECT_EQ(*CheckVersionChange({}, {{"version", "1"}}), "");
  EXPECT_EQ(*CheckVersionChange({{"version", "2"}}, {{"max_versions", "5"}}), "");
}

TEST(KvOptions, AVersionNeverGoesDownAndIsOneOfTwo) {
  EXPECT_EQ(CheckVersionChange({{"version", "2"}}, {{"version", "1"}}).status(),
            absl::InvalidArgumentError("cannot downgrade mount from version 2"));
  for (const std::string version : {"3", "", "x"}) {
    EXPECT_EQ(CheckVersionChange({{"version", "1"}}, {{"version", version}}).status(),
              absl::InvalidArgumentError("invalid version provided: " + version));
  }
}

}  // namespace
}  // namespace belfry::mounts
