#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"
#include "plugins/kv/kv.h"

namespace belfry::kv {
namespace {

using belfry::testing::EventIs;
using belfry::testing::FailsWith;
using belfry::testing::IsNoContent;
using belfry::testing::IsNotFound;
using belfry::testing::SentEvent;
using ::testing::ElementsAre;
using ::testing::Pair;

Json::Object Object(const char* text) {
  return *Json::Parse(text)->if_object();
}

class KvV2Test : public ::testing::Test {
 protected:
  // Writes {"v": value} and returns the new version's number.
  std::string Write(std::string_view key, int value) {
    const Result result =
        host_->Write("data/" + std::string(key), {{"data", Json::Object{{"v", value}}}});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->data().at("version").Dump() : "";
  }
  // The data of a version, as text.
  std::string Data(std::string_view key, int version = 0) {
    const Result result = host_->Read("data/" + std::string(key), {{"version", version}});
    if (!result.ok() || result->kind() != Response::Kind::kData) return "none";
    return result->data().at("data").Dump() +
           (result->http_status() ? " " + std::to_string(*result->http_status()) : "");
  }
  Json Metadata(std::string_view key) {
    const Result result = host_->Read("metadata/" + std::string(key));
    return result.ok() ? Json(result->data()) : Json();
  }
  SentEvent LastEvent() { return host_->events().back(); }

  const std::unique_ptr<belfry::testing::TestHost> host_ =
      belfry::testing::NewFakeHost(DefineKv, {{"version", "2"}});
};

TEST_F(KvV2Test, VersionsAreDenseAndEachCanBeRead) {
  EXPECT_EQ(Write("a", 10), "1");
  EXPECT_EQ(Write("a", 20), "2");
  EXPECT_EQ(Data("a"), R"({"v":20})");
  EXPECT_EQ(Data("a", 1), R"({"v":10})");
  EXPECT_EQ(Data("a", 3), "none");
}

TEST_F(KvV2Test, AWriteIsToldWithItsVersions) {
  Write("a/b", 1);
  EXPECT_EQ(LastEvent().type, "kv-v2/data-write");
  EXPECT_THAT(LastEvent().metadata,
              ElementsAre(Pair("current_version", "1"), Pair("data_path", "data/a/b"),
                          Pair("modified", "true"), Pair("oldest_version", "0"),
                          Pair("operation", "data-write"), Pair("path", "data/a/b")));
}

TEST_F(KvV2Test, WithoutDataAWriteIsRefused) {
  EXPECT_THAT(host_->Write("data/a", {}),
              FailsWith(absl::StatusCode::kInvalidArgument, "no data provided"));
  EXPECT_TRUE(host_->events().empty());
}

TEST_F(KvV2Test, CheckAndSetLetsOnlyTheExpectedVersionThrough) {
  const auto write = [this](const char* options) {
    return host_->Write("data/a", {{"data", Json::Object{{"v", 1}}}, {"options", Object(options)}});
  };
  EXPECT_THAT(write(R"({"cas":1})"),
              FailsWith(absl::StatusCode::kInvalidArgument,
                        "check-and-set parameter did not match the current version"));
  EXPECT_TRUE(write(R"({"cas":0})").ok());
  EXPECT_THAT(write(R"({"cas":0})"),
              FailsWith(absl::StatusCode::kInvalidArgument, "did not match"));
  EXPECT_TRUE(write(R"({"cas":"1"})").ok());
  EXPECT_THAT(write(R"({"cas":"x"})"), FailsWith(absl::StatusCode::kInvalidArgument,
                                                 "error parsing check-and-set parameter"));
  EXPECT_EQ(Write("a", 3), "3");
}

TEST_F(KvV2Test, TheCheckAndSetParameterIsReadLikeAField) {
  Write("a", 1);
  for (const char* one : {"true", "1.0", "\"0x1\""}) {
    const std::string options = std::string("{\"cas\":") + one + "}";
    EXPECT_TRUE(
        host_->Write("data/b", {{"data", Json::Object()}, {"options", Object(R"({"cas":null})")}})
            .ok());
    EXPECT_TRUE(
        host_->Write("data/b", {{"data", Json::Object()}, {"options", Object(options.c_str())}})
            .ok())
        << one;
    ASSERT_THAT(host_->Delete("metadata/b"), IsNoContent());
  }
  EXPECT_TRUE(host_->Write("data/b", {{"data", Json::Object()}, {"options", Json::Array()}}).ok());
  EXPECT_EQ(host_->Write("data/b", {{"data", Json::Object()}, {"options", "x"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(KvV2Test, DataMayBeNullAndThenHasNothingToPatch) {
  ASSERT_TRUE(host_->Write("data/a", {{"data", nullptr}}).ok());
  EXPECT_EQ(Data("a"), "null");
  EXPECT_TRUE(host_->Read("subkeys/a")->data().at("subkeys").is_null());
  EXPECT_THAT(host_->Patch("data/a", {{"data", Json::Object()}}),
              FailsWith(absl::StatusCode::kInvalidArgument, "null cannot patch"));
  Write("a", 1);
  EXPECT_THAT(host_->Patch("data/a", {{"data", nullptr}}),
              FailsWith(absl::StatusCode::kInvalidArgument, "null cannot patch"));
}

TEST_F(KvV2Test, AMountOrAKeyCanDemandCheckAndSet) {
  ASSERT_THAT(host_->Write("config", {{"cas_required", true}}), IsNoContent());
  EXPECT_THAT(host_->Write("data/a", {{"data", Json::Object()}}),
              FailsWith(absl::StatusCode::kInvalidArgument,
                        "check-and-set parameter required for this call"));
  const Result warned = host_->Write("metadata/a", {{"cas_required", false}});
  EXPECT_THAT(warned->warnings(), ElementsAre("\"cas_required\" set to false, but is mandated by "
                                              "backend config. This value will be ignored."));
}

TEST_F(KvV2Test, APatchMergesAndNullRemoves) {
  ASSERT_TRUE(host_->Write("data/a", {{"data", Object(R"({"x":1,"y":{"z":2}})")}}).ok());
  ASSERT_TRUE(host_->Patch("data/a", {{"data", Object(R"({"x":null,"y":{"w":3}})")}}).ok());
  EXPECT_EQ(Data("a"), R"({"y":{"w":3,"z":2}})");
  EXPECT_EQ(LastEvent().type, "kv-v2/data-patch");
  EXPECT_EQ(*host_->Patch("data/none", {{"data", Json::Object()}}),
            Response::Raw(404, "application/json", ""));
}

TEST_F(KvV2Test, ADeletedVersionIs404WithItsMetadataUntilItIsUndeleted) {
  Write("a", 1);
  ASSERT_THAT(host_->Delete("data/a"), IsNoContent());
  EXPECT_EQ(Data("a"), "null 404");
  EXPECT_EQ(LastEvent().type, "kv-v2/data-delete");
  EXPECT_FALSE(LastEvent().metadata.contains("data_path"));
  EXPECT_EQ(host_->Patch("data/a", {{"data", Json::Object()}})->http_status(), 404);
  ASSERT_THAT(host_->Write("undelete/a", {{"versions", "1"}}), IsNoContent());
  EXPECT_EQ(Data("a"), R"({"v":1})");
  EXPECT_EQ(LastEvent().metadata.at("undeleted_versions"), "[1]");
  EXPECT_EQ(LastEvent().metadata.at("data_path"), "data/a");
}

TEST_F(KvV2Test, ASecondDeleteIsNotTold) {
  Write("a", 1);
  ASSERT_THAT(host_->Delete("data/a"), IsNoContent());
  const std::size_t told = host_->events().size();
  ASSERT_THAT(host_->Delete("data/a"), IsNoContent());
  ASSERT_THAT(host_->Delete("data/none"), IsNoContent());
  EXPECT_EQ(host_->events().size(), told);
}

TEST_F(KvV2Test, DeletingVersionsTellsWhatWasAskedFor) {
  Write("a", 1);
  Write("a", 2);
  ASSERT_THAT(host_->Write("delete/a", {{"versions", Json::Array{"1", 7}}}), IsNoContent());
  EXPECT_EQ(Data("a", 1), "null 404");
  EXPECT_EQ(Data("a", 2), R"({"v":2})");
  EXPECT_EQ(LastEvent().metadata.at("deleted_versions"), "[1,7]");
  EXPECT_EQ(LastEvent().metadata.at("path"), "delete/a");
}

TEST_F(KvV2Test, DestroyedDataIsGoneForGood) {
  Write("a", 1);
  ASSERT_THAT(host_->Write("destroy/a", {{"versions", Json::Array{1}}}), IsNoContent());
  EXPECT_EQ(LastEvent().metadata.at("destroyed_versions"), "[1]");
  ASSERT_THAT(host_->Write("undelete/a", {{"versions", Json::Array{1}}}), IsNoContent());
  EXPECT_EQ(Data("a"), "null 404");
  EXPECT_EQ(Metadata("a").Find("versions")->Find("1")->Find("destroyed")->Dump(), "true");
}

TEST_F(KvV2Test, ChangingVersionsNeedsVersionsAndAKey) {
  EXPECT_THAT(host_->Write("delete/a", {}),
              FailsWith(absl::StatusCode::kInvalidArgument, "No version number provided"));
  EXPECT_THAT(host_->Write("destroy/a", {}),
              FailsWith(absl::StatusCode::kInvalidArgument, "no version number provided"));
  EXPECT_THAT(host_->Write("undelete/none", {{"versions", Json::Array{1}}}), IsNoContent());
  EXPECT_TRUE(host_->events().empty());
}

TEST_F(KvV2Test, ADestructionIsNobodysUpdate) {
  Write("a", 1);
  ASSERT_THAT(host_->Write("destroy/a", {{"versions", Json::Array{1}}}), IsNoContent());
  EXPECT_EQ(Metadata("a").Find("last_updated_by")->Find("operation")->Dump(), "\"create\"");
}

TEST_F(KvV2Test, AVersionBelowOneIsTheCurrentOne) {
  Write("a", 1);
  Write("a", 2);
  EXPECT_EQ(Data("a", -1), R"({"v":2})");
}

TEST_F(KvV2Test, OnlyTheNewestVersionsAreKept) {
  ASSERT_THAT(host_->Write("config", {{"max_versions", "2"}}), IsNoContent());
  for (int i = 1; i <= 4; ++i) Write("a", i);
  EXPECT_EQ(Data("a", 2), "none");
  EXPECT_EQ(Data("a", 3), R"({"v":3})");
  EXPECT_EQ(LastEvent().metadata.at("oldest_version"), "3");
}

TEST_F(KvV2Test, AVersionDeletesItselfWhenItsTimeIsOver) {
  ASSERT_THAT(host_->Write("metadata/a", {{"delete_version_after", "1h"}}), IsNoContent());
  Write("a", 1);
  host_->Advance(absl::Minutes(59));
  EXPECT_EQ(Data("a"), R"({"v":1})");
  host_->Advance(absl::Minutes(1));
  EXPECT_EQ(Data("a"), "null 404");
}

TEST_F(KvV2Test, MetadataIsWrittenPatchedReadAndDeleted) {
  ASSERT_THAT(host_->Write("metadata/a", {{"custom_metadata", Object(R"({"k":"v","x":"y"})")},
                                          {"max_versions", 5}}),
              IsNoContent());
  EXPECT_THAT(LastEvent(), EventIs("kv-v2/metadata-write", "metadata/a"));
  ASSERT_THAT(host_->Patch("metadata/a", {{"custom_metadata", Object(R"({"x":null,"z":"1"})")}}),
              IsNoContent());
  EXPECT_THAT(LastEvent(), EventIs("kv-v2/metadata-patch", "metadata/a"));
  const Json metadata = Metadata("a");
  EXPECT_EQ(metadata.Find("custom_metadata")->Dump(), R"({"k":"v","z":"1"})");
  EXPECT_EQ(metadata.Find("max_versions")->Dump(), "5");
  EXPECT_EQ(metadata.Find("delete_version_after")->Dump(), "\"0s\"");
  EXPECT_THAT(LastEvent(), EventIs("kv-v2/metadata-read", "metadata/a"));
  ASSERT_THAT(host_->Delete("metadata/a"), IsNoContent());
  EXPECT_THAT(LastEvent(), EventIs("kv-v2/metadata-delete", "metadata/a"));
  EXPECT_THAT(host_->Read("metadata/a"), IsNotFound());
}

TEST_F(KvV2Test, NullInMetadataIsZeroButNoDuration) {
  ASSERT_THAT(
      host_->Write("metadata/a", {{"max_versions", 5}, {"delete_version_after", "1h30m0.7s"}}),
      IsNoContent());
  ASSERT_THAT(
      host_->Write("metadata/a", {{"max_versions", nullptr}, {"delete_version_after", nullptr}}),
      IsNoContent());
  EXPECT_EQ(Metadata("a").Find("max_versions")->Dump(), "0");
  EXPECT_EQ(Metadata("a").Find("delete_version_after")->Dump(), "\"1h30m0s\"");
}

TEST_F(KvV2Test, ANegativeTimeToLiveOfAMountIsMinusOneSecondAsInVault) {
  ASSERT_THAT(
      host_->Write("config", {{"max_versions", 4294967295}, {"delete_version_after", "-1h"}}),
      IsNoContent());
  EXPECT_THAT(host_->Read("config"),
              belfry::testing::IsData(R"({"cas_required":false,"delete_version_after":"-1s",)"
                                      R"("max_versions":4294967295})"));
}

TEST_F(KvV2Test, ANumberOfVersionsThatWouldWrapAroundIsRefusedByName) {
  const auto refused = [](std::string prefix) {
    return FailsWith(absl::StatusCode::kInvalidArgument,
                     prefix +
                         "error converting input for field \"max_versions\": it must be from "
                         "0 to 4294967295");
  };
  ASSERT_THAT(host_->Write("metadata/a", {{"max_versions", 5}}), IsNoContent());
  const std::size_t told = host_->events().size();
  for (const Json& number : {Json(-1), Json("-3"), Json(4294967296), Json("4294967297")}) {
    EXPECT_THAT(host_->Write("config", {{"max_versions", number}}), refused("")) << number.Dump();
    EXPECT_THAT(host_->Write("metadata/a", {{"max_versions", number}}), refused(""))
        << number.Dump();
    EXPECT_THAT(host_->Patch("metadata/a", {{"max_versions", number}}),
                refused("Field validation failed: "))
        << number.Dump();
  }
  EXPECT_EQ(host_->events().size(), told);
  EXPECT_EQ(host_->Read("config")->data().at("max_versions").Dump(), "0");
  EXPECT_EQ(Metadata("a").Find("max_versions")->Dump(), "5");
}

TEST_F(KvV2Test, ANegativeCheckAndSetParameterMatchesNoVersion) {
  for (const Json& cas : {Json(-1), Json("-1")}) {
    EXPECT_THAT(host_->Write("data/a", {{"data", Json::Object{{"v", 1}}},
                                        {"options", Json::Object{{"cas", cas}}}}),
                FailsWith(absl::StatusCode::kInvalidArgument,
                          "check-and-set parameter did not match the current version"));
  }
  EXPECT_TRUE(host_->events().empty());
}

TEST_F(KvV2Test, VersionsThatCannotBeAreIgnoredAsThoseThatAreNot) {
  Write("a", 1);
  ASSERT_THAT(host_->Write("delete/a", {{"versions", Json::Array{0, -1}}}), IsNoContent());
  ASSERT_THAT(host_->Write("destroy/a", {{"versions", Json::Array{0, -1}}}), IsNoContent());
  EXPECT_EQ(Data("a"), R"({"v":1})");
}

TEST_F(KvV2Test, APatchOfMetadataIsWarnedAboutCasAsAWriteIs) {
  ASSERT_THAT(host_->Write("config", {{"cas_required", true}}), IsNoContent());
  ASSERT_THAT(host_->Write("metadata/a", {{"max_versions", 5}}), IsNoContent());
  EXPECT_THAT(host_->Patch("metadata/a", {{"cas_required", false}, {"unknown", 1}})->warnings(),
              ElementsAre(::testing::HasSubstr("mandated by backend config"),
                          ::testing::HasSubstr("unrecognized parameters: [unknown]")));
}

// A host that authorises `metadata/a/` has not authorised the key `a`.
TEST_F(KvV2Test, MetadataWithASlashAtTheEndIsNoKeys) {
  Write("a", 1);
  EXPECT_THAT(host_->Read("metadata/a/"), IsNotFound());
  EXPECT_THAT(host_->Read("metadata/"), IsNotFound());
  EXPECT_EQ(host_->Delete("metadata/a/").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(host_->Delete("metadata/").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(host_->Read("metadata/a")->data().contains("versions"));
}

TEST_F(KvV2Test, MetadataThatChangesNothingIsNotTold) {
  ASSERT_THAT(host_->Write("metadata/a", {}), IsNoContent());
  ASSERT_THAT(host_->Write("config", {}), IsNoContent());
  EXPECT_TRUE(host_->events().empty());
  EXPECT_THAT(host_->Read("metadata/a"), IsNotFound());
}

TEST_F(KvV2Test, MetadataOverItsLimitsIsRefusedAndChangesNothing) {
  EXPECT_THAT(
      host_->Write("metadata/a", {{"custom_metadata", Json::Object{{std::string(129, 'k'), "v"}}}}),
      FailsWith(absl::StatusCode::kInvalidArgument, "custom_metadata validation failed: "));
  EXPECT_THAT(host_->Write("metadata/a", {{"delete_version_after", "-1s"}}),
              FailsWith(absl::StatusCode::kInvalidArgument, "cannot provide negative value '-1'"));
  EXPECT_THAT(host_->Write("config", {{"max_versions", "abc"}}),
              FailsWith(absl::StatusCode::kInvalidArgument,
                        "error converting input for field \"max_versions\""));
  EXPECT_THAT(host_->Read("metadata/a"), IsNotFound());
}

TEST_F(KvV2Test, EverythingThatIsWrongWithCustomMetadataIsSaid) {
  EXPECT_THAT(
      host_->Write("metadata/a",
                   {{"custom_metadata", Object(R"({"":"v","a":null,"b":"\u200b"})")}}),
      FailsWith(
          absl::StatusCode::kInvalidArgument,
          "3 errors occurred:\n"
          "\t* custom_metadata validation failed: length of key \"\" is 0 but must be 0 < "
          "len(key) <= 128\n"
          "\t* custom_metadata validation failed: length of value for key \"a\" is 0 but must "
          "be 0 < len(value) <= 512\n"
          "\t* custom_metadata validation failed: value for key \"b\" contains unprintable "
          "characters\n\n"));
}

TEST_F(KvV2Test, CustomMetadataOfAWriteBecomesTextsAndThatOfAPatchMustBe) {
  ASSERT_THAT(host_->Write("metadata/a", {{"custom_metadata", Object(R"({"n":1.50,"t":true})")}}),
              IsNoContent());
  EXPECT_EQ(Metadata("a").Find("custom_metadata")->Dump(), R"({"n":"1.50","t":"1"})");
  EXPECT_THAT(host_->Patch("metadata/a", {{"custom_metadata", Object(R"({"n":1})")}}),
              FailsWith(absl::StatusCode::kInvalidArgument, "a patch takes only texts"));
  ASSERT_THAT(host_->Patch("metadata/a", {{"custom_metadata", nullptr}}), IsNoContent());
  EXPECT_TRUE(Metadata("a").Find("custom_metadata")->is_null());
}

TEST_F(KvV2Test, APatchThatDoesNotFitIsRefusedAndChangesNothing) {
  ASSERT_THAT(host_->Write("metadata/a", {{"max_versions", 5}}), IsNoContent());
  for (const char* text : {"-1", "99999999999999999999", "many"}) {
    EXPECT_EQ(host_
                  ->Patch("metadata/a",
                          {{"custom_metadata", Json::Object{{"k", "v"}}}, {"max_versions", text}})
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
  EXPECT_EQ(Metadata("a").Find("max_versions")->Dump(), "5");
  EXPECT_TRUE(Metadata("a").Find("custom_metadata")->is_null());
}

TEST_F(KvV2Test, TheMetadataReadEventCanBeTurnedOff) {
  const auto quiet =
      belfry::testing::NewFakeHost(DefineKv, {{"version", "2"}, {"metadata_read_events", "false"}});
  ASSERT_TRUE(quiet->Write("data/a", {{"data", Json::Object{{"v", 1}}}}).ok());
  ASSERT_TRUE(quiet->Read("metadata/a").ok());
  EXPECT_EQ(quiet->events().size(), 1u);
}

TEST_F(KvV2Test, KeysAreListedAsFolders) {
  Write("a", 1);
  Write("b/c", 1);
  EXPECT_THAT(host_->List("metadata"), belfry::testing::IsData(R"({"keys":["a","b/"]})"));
  EXPECT_THAT(host_->List("metadata/b"), belfry::testing::IsData(R"({"keys":["c"]})"));
}

TEST_F(KvV2Test, AListCanLeaveOutWhatIsDeletedOrIsToBe) {
  for (const char* key : {"a", "b", "d/e"}) Write(key, 1);
  ASSERT_THAT(host_->Write("metadata/c", {{"delete_version_after", "1h"}}), IsNoContent());
  Write("c", 1);
  ASSERT_THAT(host_->Delete("data/a"), IsNoContent());
  EXPECT_THAT(host_->List("metadata", {{"exclude_deleted", "true"}}),
              belfry::testing::IsData(R"({"keys":["b","d/"]})"));
  EXPECT_THAT(host_->List("metadata", {{"exclude_deleted", "false"}}),
              belfry::testing::IsData(R"({"keys":["a","b","c","d/"]})"));
}

TEST_F(KvV2Test, OperationsOnVersionsListNothing) {
  EXPECT_EQ(host_->List("delete/a").status(), absl::UnimplementedError("unsupported operation"));
}

TEST_F(KvV2Test, SubkeysShowTheShapeWithoutTheValues) {
  ASSERT_TRUE(
      host_->Write("data/a", {{"data", Object(R"({"x":1,"y":{"z":{"w":2}},"e":{}})")}}).ok());
  const auto shape = [this](int depth) {
    return host_->Read("subkeys/a", {{"depth", depth}})->data().at("subkeys").Dump();
  };
  EXPECT_EQ(shape(0), R"({"e":null,"x":null,"y":{"z":{"w":null}}})");
  EXPECT_EQ(shape(1), R"({"e":null,"x":null,"y":null})");
  EXPECT_EQ(shape(2), R"({"e":null,"x":null,"y":{"z":null}})");
  EXPECT_EQ(shape(-1), shape(1));
}

TEST_F(KvV2Test, AWrongPathIs404WithAHint) {
  for (const auto& [path, hint] : std::initializer_list<std::pair<const char*, const char*>>{
           {"foo", "Invalid path for a versioned K/V secrets engine"},
           {"data", "Non-listing operations on the root"},
           {"data/", "Invalid path for a versioned K/V secrets engine"},
           {"data/a/", "Invalid path for a versioned K/V secrets engine"},
           {"subkeys", "Invalid path for a versioned K/V secrets engine"}}) {
    const Result result = host_->Read(path);
    ASSERT_TRUE(result.ok()) << path;
    EXPECT_EQ(result->http_status(), 404) << path;
    EXPECT_THAT(result->warnings(), ElementsAre(::testing::HasSubstr(hint))) << path;
  }
}

TEST_F(KvV2Test, TheHintNamesTheOperation) {
  EXPECT_THAT(host_->Read("foo")->warnings(), ElementsAre(::testing::HasSubstr("'vault kv get'")));
  EXPECT_THAT(host_->List("data")->warnings(),
              ElementsAre(::testing::HasSubstr("'vault kv list'")));
  EXPECT_THAT(host_->Delete("foo")->warnings(),
              ElementsAre(::testing::HasSubstr("'vault kv delete'")));
}

TEST_F(KvV2Test, NumbersInSecretsKeepTheirText) {
  ASSERT_TRUE(
      host_->Write("data/a", {{"data", Object(R"({"n":12345678901234567890,"f":1.50})")}}).ok());
  EXPECT_EQ(Data("a"), R"({"f":1.50,"n":12345678901234567890})");
}

}  // namespace
}  // namespace belfry::kv
