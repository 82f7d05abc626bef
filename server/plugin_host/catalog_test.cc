#include "server/plugin_host/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace belfry::plugin_host {
namespace {

using mounts::PluginEntry;
using mounts::PluginType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CatalogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "catXXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    Program("belfry-kv", "a");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Program(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    chmod((folder_ + "/" + name).c_str(), 0700);
  }
  static PluginEntry Entry(const std::string& version = "") {
    PluginEntry entry;
    entry.name = "kv";
    entry.version = version;
    entry.command = "belfry-kv";
    entry.sha256 = std::string(64, 'a');
    return entry;
  }
  std::string Refusal(const PluginEntry& entry) const {
    const absl::Status status = Catalog({folder_}).Check(entry).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(ToStd(status.message()));
  }

  std::string folder_;
};

TEST_F(CatalogTest, AScanRegistersProgramsByTheirNamesAndHashes) {
  Program("notes", "");
  std::ofstream(folder_ + "/readme") << "no program";
  std::filesystem::create_directory(folder_ + "/folder");
  Catalog catalog({"/no/such/folder", folder_});
  catalog.Scan();
  std::vector<std::string> names;
  for (const PluginEntry& entry : catalog.List()) names.push_back(entry.name);
  EXPECT_THAT(names, ElementsAre("kv", "notes"));
  const std::optional<PluginEntry> kv = catalog.Get(PluginType::kSecret, "kv", "");
  ASSERT_TRUE(kv.has_value());
  EXPECT_EQ(kv->command, "belfry-kv");
  EXPECT_EQ(kv->sha256, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
  EXPECT_EQ(*catalog.Check(*kv), folder_ + "/belfry-kv");
}

TEST_F(CatalogTest, AMountGetsTheVersionThatItNamesOrNoneOrTheNewest) {
  Catalog catalog({folder_});
  for (const std::string version : {"v1.9.0", "v1.10.0", "v1.10.0-rc1"})
    catalog.Put(Entry(version));
  EXPECT_EQ(catalog.Resolve("kv", "v1.9.0")->version, "v1.9.0");
  EXPECT_EQ(catalog.Resolve("kv", "")->version, "v1.10.0");
  catalog.Put(Entry());
  EXPECT_EQ(catalog.Resolve("kv", "")->version, "");
  catalog.Remove(PluginType::kSecret, "kv", "");
  EXPECT_EQ(catalog.Resolve("kv", "")->version, "v1.10.0");
  EXPECT_EQ(catalog.Resolve("kv", "v2.0.0").status(),
            absl::NotFoundError("plugin not found in the catalog: kv version v2.0.0"));
  EXPECT_EQ(catalog.Resolve("nosuch", "").status(),
            absl::NotFoundError("plugin not found in the catalog: nosuch"));
}

TEST_F(CatalogTest, EachWrongFieldIsNamed) {
  const auto refusal = [this](auto change) {
    PluginEntry entry = Entry();
    change(entry);
    return Refusal(entry);
  };
  EXPECT_THAT(refusal([](auto& entry) { entry.type = PluginType::kAuth; }), HasSubstr("\"auth\""));
  EXPECT_THAT(refusal([](auto& entry) { entry.name = "a/b"; }), HasSubstr("name"));
  EXPECT_THAT(refusal([](auto& entry) { entry.name = ""; }), HasSubstr("name"));
  EXPECT_EQ(refusal([](auto& entry) { entry.command = ""; }),
            "must provide at least one of command or oci_image");
  EXPECT_THAT(refusal([](auto& entry) { entry.command = "../sh"; }), HasSubstr("not a path"));
  EXPECT_THAT(refusal([](auto& entry) { entry.command = "missing"; }), HasSubstr("\"missing\""));
  EXPECT_THAT(refusal([](auto& entry) { entry.sha256 = "abc"; }), HasSubstr("64 hexadecimal"));
  for (const std::string version : {"1.0.0", "v1.0", "v1.0.0-", "v1.0.0x", "v-1.0.0"}) {
    EXPECT_THAT(refusal([&](auto& entry) { entry.version = version; }), HasSubstr("v1.2.3"));
  }
  EXPECT_THAT(refusal([](auto& entry) { entry.env = {"=x"}; }), HasSubstr("NAME=value"));
}

TEST_F(CatalogTest, WithoutAPluginDirectoryNothingCanBeRegistered) {
  EXPECT_EQ(
      Catalog({}).Check(Entry()).status(),
      absl::FailedPreconditionError("could not set plugin, plugin directory is not configured"));
}

}  // namespace
}  // namespace belfry::plugin_host
