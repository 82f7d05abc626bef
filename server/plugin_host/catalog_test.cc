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
using ::testing::IsEmpty;

std::string MessageOf(const absl::Status& status) {
  return std::string(ToStd(status.message()));
}

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

TEST_F(CatalogTest, AFileThatIsNotRegisteredIsNamedWithTheReason) {
  Catalog catalog({folder_});
  const auto refusal = [&catalog](std::string_view name) {
    return std::string(ToStd(catalog.Resolve(name, "").status().message()));
  };
  const std::string program = "plugin not found in the catalog: plain; the plugin's program ";
  std::ofstream(folder_ + "/plain") << "x";
  EXPECT_EQ(refusal("plain"), program + folder_ + "/plain is not executable");
  std::filesystem::remove(folder_ + "/plain");
  std::filesystem::create_symlink("nowhere", folder_ + "/plain");
  EXPECT_EQ(refusal("plain"), program + folder_ + "/plain is a link to a file that is not there");
  // It would start, but came too late.
  EXPECT_THAT(refusal("kv"), HasSubstr(folder_ + "/belfry-kv has not been there since"));
  EXPECT_THAT(refusal("kv"),
              HasSubstr(R"(PUT sys/plugins/catalog/secret/kv {"command":"belfry-kv","sha256":…})"));
  // Named as its program is.
  Catalog scanned({folder_});
  scanned.Scan();
  EXPECT_EQ(ToStd(scanned.Resolve("belfry-kv", "").status().message()),
            "plugin not found in the catalog: belfry-kv; the plugin of the program belfry-kv has "
            "the name kv");
  // No name of a plugin leads out of the folder.
  const std::string outside = "../" + std::filesystem::path(folder_).filename().string() + "/plain";
  EXPECT_EQ(refusal(outside), "plugin not found in the catalog: " + outside);
}

TEST_F(CatalogTest, ARebuiltProgramIsTakenOnceAndFoundChangedByEveryMount) {
  Catalog catalog({folder_});
  catalog.Scan();
  const PluginEntry old = *catalog.Get(PluginType::kSecret, "kv", "");
  const std::string path = folder_ + "/belfry-kv";
  EXPECT_FALSE(catalog.TakeRebuilt(old, path).has_value());
  Program("belfry-kv", "b");
  const std::optional<Catalog::Rebuilt> first = catalog.TakeRebuilt(old, path);
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(first->first);
  EXPECT_NE(first->entry.sha256, old.sha256);
  const std::optional<Catalog::Rebuilt> second = catalog.TakeRebuilt(old, path);
  ASSERT_TRUE(second.has_value());
  EXPECT_FALSE(second->first);
  EXPECT_EQ(second->entry, first->entry);
  EXPECT_FALSE(catalog.TakeRebuilt(first->entry, path).has_value());
}

TEST_F(CatalogTest, DeclaredPluginsHideOthersOfTheirNameUntilTheyAreDeclaredNoMore) {
  Catalog catalog({folder_});
  catalog.Scan();
  catalog.Put(Entry("v1.0.0"));
  const std::string scanned = catalog.Get(PluginType::kSecret, "kv", "")->sha256;
  PluginEntry declared = Entry();
  PluginEntry versioned = Entry("v1.0.0");
  versioned.args = {"-declared"};
  EXPECT_THAT(catalog.Declare({declared, versioned}), IsEmpty());
  EXPECT_EQ(catalog.Resolve("kv", "")->sha256, declared.sha256);
  EXPECT_EQ(catalog.Resolve("kv", "v1.0.0")->args, versioned.args);
  EXPECT_EQ(catalog.List().size(), 2);
  EXPECT_THAT(MessageOf(catalog.CheckNotDeclared(PluginType::kSecret, "kv")),
              HasSubstr("declared in the server's configuration"));
  EXPECT_EQ(catalog.CheckNotDeclared(PluginType::kSecret, "notes"), absl::OkStatus());
  // What is registered meanwhile waits.
  catalog.Put(Entry("v1.0.0"));
  EXPECT_EQ(catalog.Resolve("kv", "v1.0.0")->args, versioned.args);

  declared.args = {"-changed"};
  EXPECT_THAT(catalog.Declare({declared, versioned}), ElementsAre("kv"));
  EXPECT_THAT(catalog.Declare({}), ElementsAre("kv", "kv"));
  EXPECT_EQ(catalog.Resolve("kv", "")->sha256, scanned);
  EXPECT_THAT(catalog.Resolve("kv", "v1.0.0")->args, IsEmpty());
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

// The system would cut the text there, and run or set something else than was registered.
TEST_F(CatalogTest, NothingThatTheSystemIsGivenHasANul) {
  const std::string with_nul("kv\0x", 4);
  PluginEntry entry = Entry();
  entry.command = with_nul;
  EXPECT_EQ(Refusal(entry), "a plugin's command has no NUL byte");
  const std::string others = "a plugin's arguments and environment variables have no NUL byte";
  entry = Entry();
  entry.args = {with_nul};
  EXPECT_EQ(Refusal(entry), others);
  entry = Entry();
  entry.env = {"A=" + with_nul};
  EXPECT_EQ(Refusal(entry), others);
}

TEST_F(CatalogTest, WithoutAPluginDirectoryNothingCanBeRegistered) {
  EXPECT_EQ(
      Catalog({}).Check(Entry()).status(),
      absl::FailedPreconditionError("could not set plugin, plugin directory is not configured"));
}

}  // namespace
}  // namespace belfry::plugin_host
