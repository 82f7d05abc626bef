// What kv stores, and what is left of a change that a host does one by one and that fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"
#include "plugins/kv/kv.h"

namespace belfry::kv {
namespace {

using belfry::testing::FailsWith;
using belfry::testing::IsData;
using belfry::testing::IsNoContent;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const absl::Status kFull = absl::InternalError("full");

class KvBatchesTest : public ::testing::Test {
 protected:
  Result Write(std::string_view key, int value) {
    return host_->Write("data/" + std::string(key), {{"data", Json::Object{{"v", value}}}});
  }
  std::string Data(std::string_view key, int version = 0) {
    const Result result = host_->Read("data/" + std::string(key), {{"version", version}});
    if (!result.ok()) return std::string(result.status().message());
    return result->kind() == Response::Kind::kData ? result->data().at("data").Dump() : "none";
  }
  // Every key that the host stores.
  std::vector<std::string> Stored(const std::string& below = "") {
    std::vector<std::string> keys;
    const std::vector<std::string> names = *host_->storage().List(below);
    for (const std::string& name : names) {
      if (!name.ends_with('/')) {
        keys.push_back(below + name);
        continue;
      }
      for (std::string& key : Stored(below + name)) keys.push_back(std::move(key));
    }
    return keys;
  }

  std::unique_ptr<belfry::testing::TestHost> host_ =
      belfry::testing::NewFakeHost(DefineKv, {{"version", "2"}});
};

TEST_F(KvBatchesTest, NamesOfKeysAreNotStoredAsTheyAre) {
  ASSERT_TRUE(Write("customers/anna", 1).ok());
  EXPECT_THAT(Stored(), SizeIs(3));  // The metadata, the version, the key of the names.
  for (const std::string& key : Stored()) {
    EXPECT_THAT(key, Not(HasSubstr("customers")));
    EXPECT_THAT(key, Not(HasSubstr("anna")));
  }
  host_ = belfry::testing::NewFakeHost(DefineKv);
  ASSERT_THAT(host_->Write("customers/anna", {{"x", 1}}), IsNoContent());
  for (const std::string& key : Stored()) EXPECT_THAT(key, Not(HasSubstr("anna")));
}

TEST_F(KvBatchesTest, AListShowsNamesInTheirOrder) {
  for (const char* key : {"b", "a/x", "c..d", "a"}) ASSERT_TRUE(Write(key, 1).ok());
  EXPECT_THAT(host_->List("metadata"), IsData(R"({"keys":["a","a/","b","c..d"]})"));
  EXPECT_THAT(host_->List("metadata/a"), IsData(R"({"keys":["x"]})"));
}

TEST_F(KvBatchesTest, TheKeyOfTheNamesIsReadAnewWhenAnotherNodeChangedIt) {
  ASSERT_TRUE(Write("a", 1).ok());
  ASSERT_EQ(host_->storage().Delete("fake-host/names"), absl::OkStatus());
  EXPECT_EQ(Data("a"), R"({"v":1})");
  host_->Invalidate("fake-host/names");
  EXPECT_EQ(Data("a"), "none");
}

TEST_F(KvBatchesTest, AStoredKeyOfNamesThatIsNoneIsAnErrorAndStays) {
  ASSERT_EQ(host_->storage().Put("fake-host/names", "\x01\"abc\""), absl::OkStatus());
  EXPECT_THAT(Write("a", 1), FailsWith(absl::StatusCode::kDataLoss, "name key"));
  EXPECT_EQ(**host_->storage().Get("fake-host/names"), "\x01\"abc\"");
}

TEST_F(KvBatchesTest, TheMountsConfigurationIsReadAnewWhenAnotherNodeChangedIt) {
  ASSERT_THAT(host_->Write("config", {{"max_versions", 3}}), IsNoContent());
  ASSERT_EQ(host_->storage().Delete("fake-host/v2/config"), absl::OkStatus());
  EXPECT_EQ(host_->Read("config")->data().at("max_versions").Dump(), "3");
  host_->Invalidate("fake-host/v2/config");
  EXPECT_EQ(host_->Read("config")->data().at("max_versions").Dump(), "0");
}

TEST_F(KvBatchesTest, AConfigurationThatWasNotStoredDoesNotHold) {
  host_->storage().FailAfter(1, kFull);
  EXPECT_THAT(host_->Write("config", {{"max_versions", 3}}),
              FailsWith(absl::StatusCode::kInternal, "full"));
  EXPECT_EQ(host_->Read("config")->data().at("max_versions").Dump(), "0");
  EXPECT_THAT(host_->events(), IsEmpty());
}

TEST_F(KvBatchesTest, MetadataIsReadAnewWhenAnotherNodeChangedIt) {
  ASSERT_TRUE(Write("a", 1).ok());
  const std::vector<std::string> stored = Stored("fake-host/v2/metadata/");
  ASSERT_THAT(stored, SizeIs(1));
  ASSERT_EQ(host_->storage().Delete(stored[0]), absl::OkStatus());
  EXPECT_EQ(Data("a"), R"({"v":1})");
  host_->Invalidate(stored[0]);
  EXPECT_EQ(Data("a"), "none");
}

// What a write of a known key asks storage before the batch: whether the key exists.
constexpr int kBeforeTheBatch = 1;

TEST_F(KvBatchesTest, OfAWriteThatFailsNoHalfIsSeen) {
  ASSERT_TRUE(Write("a", 1).ok());
  for (int done = 0; done < kBeforeTheBatch + 2; ++done) {
    host_->storage().FailAfter(done, kFull);
    EXPECT_THAT(Write("a", 2), FailsWith(absl::StatusCode::kInternal, "full")) << done;
    EXPECT_EQ(Data("a"), R"({"v":1})");
    EXPECT_EQ(Data("a", 2), "none");
  }
  EXPECT_THAT(host_->events(), SizeIs(1));
  ASSERT_TRUE(Write("a", 3).ok());
  EXPECT_EQ(Data("a", 2), R"({"v":3})");
}

// A batch that was stored, though the plugin heard otherwise, after it has read again.
TEST_F(KvBatchesTest, AChangeThatMayYetBeDoneIsSeenWhenItIs) {
  ASSERT_TRUE(Write("a", 1).ok());
  const std::string place = Stored("fake-host/v2/metadata/")[0];
  const std::string first = **host_->storage().Get(place);
  ASSERT_TRUE(Write("a", 2).ok());
  const std::string late = **host_->storage().Get(place);
  ASSERT_EQ(host_->storage().Put(place, first), absl::OkStatus());
  host_->storage().FailAfter(kBeforeTheBatch, absl::DeadlineExceededError("too slow"));
  EXPECT_THAT(Write("a", 2), FailsWith(absl::StatusCode::kDeadlineExceeded, "too slow"));
  EXPECT_EQ(Data("a"), R"({"v":1})");
  ASSERT_EQ(host_->storage().Put(place, late), absl::OkStatus());
  EXPECT_EQ(Data("a"), R"({"v":2})");
  EXPECT_EQ(Write("a", 3)->data().at("version").Dump(), "3");
}

TEST_F(KvBatchesTest, AConfigurationThatMayYetBeStoredIsSeenWhenItIs) {
  ASSERT_THAT(host_->Write("config", {{"max_versions", 3}}), IsNoContent());
  const std::string late = **host_->storage().Get("fake-host/v2/config");
  ASSERT_EQ(host_->storage().Delete("fake-host/v2/config"), absl::OkStatus());
  host_->storage().FailAfter(1, absl::UnavailableError("gone"));
  EXPECT_THAT(host_->Write("config", {{"max_versions", 3}}),
              FailsWith(absl::StatusCode::kUnavailable, "gone"));
  EXPECT_EQ(host_->Read("config")->data().at("max_versions").Dump(), "0");
  ASSERT_EQ(host_->storage().Put("fake-host/v2/config", late), absl::OkStatus());
  EXPECT_EQ(host_->Read("config")->data().at("max_versions").Dump(), "3");
}

TEST_F(KvBatchesTest, AWriteStandsWhenAnOldVersionCannotBeDeleted) {
  ASSERT_THAT(host_->Write("metadata/a", {{"max_versions", 1}}), IsNoContent());
  ASSERT_TRUE(Write("a", 1).ok());
  host_->storage().FailAfter(kBeforeTheBatch + 2, kFull);
  const Result result = Write("a", 2);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->warnings(), ElementsAre(HasSubstr("could not be deleted: full")));
  EXPECT_EQ(Data("a"), R"({"v":2})");
  EXPECT_EQ(Data("a", 1), "none");
  EXPECT_EQ(host_->events().back().metadata.at("current_version"), "2");
}

TEST_F(KvBatchesTest, WhatCouldNotBeDestroyedIsAnErrorThoughNobodyCanReadIt) {
  ASSERT_TRUE(Write("a", 1).ok());
  host_->storage().FailAfter(1, kFull);
  EXPECT_THAT(host_->Write("destroy/a", {{"versions", 1}}),
              FailsWith(absl::StatusCode::kInternal, "full"));
  EXPECT_EQ(Data("a"), "null");
  EXPECT_EQ(host_->events().back().type, "kv-v2/destroy");
}

TEST_F(KvBatchesTest, AKeyIsGoneAsAWholeOrNotAtAll) {
  ASSERT_TRUE(Write("a", 1).ok());
  host_->storage().FailAfter(0, kFull);
  EXPECT_THAT(host_->Delete("metadata/a"), FailsWith(absl::StatusCode::kInternal, "full"));
  EXPECT_EQ(Data("a"), R"({"v":1})");
  EXPECT_EQ(host_->events().back().type, "kv-v2/data-write");
  host_->storage().FailAfter(1, kFull);
  EXPECT_THAT(host_->Delete("metadata/a")->warnings(), ElementsAre(HasSubstr("full")));
  EXPECT_EQ(Data("a"), "none");
  EXPECT_EQ(host_->events().back().type, "kv-v2/metadata-delete");
}

// A key that has come to so many versions, without having written each.
constexpr int kManyVersions = 9000;

class KvManyVersionsTest : public KvBatchesTest {
 protected:
  void SetUp() override {
    ASSERT_THAT(host_->Write("config", {{"max_versions", kManyVersions}}), IsNoContent());
    ASSERT_TRUE(Write("a", 1).ok());
    const std::string place = Stored("fake-host/v2/metadata/")[0];
    const std::string stored = **host_->storage().Get(place);
    Json::Object metadata = *Json::Parse(stored.substr(1))->if_object();
    Json::Object& versions = *metadata["versions"].if_object();
    for (int i = 2; i <= kManyVersions; ++i) versions[std::to_string(i)] = versions["1"];
    metadata["current_version"] = kManyVersions;
    ASSERT_EQ(host_->storage().Put(place, stored.substr(0, 1) + Json(metadata).Dump()),
              absl::OkStatus());
    host_->Invalidate(place);
    const std::string first = Stored("fake-host/v2/versions/")[0];
    last_ = first.substr(0, first.rfind('/') + 1) + std::to_string(kManyVersions - 100);
    ASSERT_EQ(host_->storage().Put(last_, "x"), absl::OkStatus());
  }

  std::string last_;  // Where the data of one of the last versions lies.
};

TEST_F(KvManyVersionsTest, AKeyOfMoreVersionsThanABatchTakesCanBeDeleted) {
  const Result result = host_->Delete("metadata/a");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->warnings(), IsEmpty());
  EXPECT_THAT(Stored("fake-host/v2/metadata/"), IsEmpty());
  EXPECT_THAT(Stored("fake-host/v2/versions/"), IsEmpty());
}

TEST_F(KvManyVersionsTest, AllButAFewOfThemCanGoWithOneWrite) {
  ASSERT_THAT(host_->Write("config", {{"max_versions", 3}}), IsNoContent());
  const Result result = Write("a", 2);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->data().at("version").Dump(), std::to_string(kManyVersions + 1));
  EXPECT_EQ(*host_->storage().Get(last_), std::nullopt);
  EXPECT_EQ(Data("a"), R"({"v":2})");
}

TEST_F(KvBatchesTest, OneDeleteThatFailsIsToldToNobody) {
  host_ = belfry::testing::NewFakeHost(DefineKv);
  ASSERT_THAT(host_->Write("a", {{"x", 1}}), IsNoContent());
  host_->storage().FailAfter(0, kFull);
  EXPECT_THAT(host_->Delete("a"), FailsWith(absl::StatusCode::kInternal, "full"));
  EXPECT_THAT(host_->Read("a"), IsData(R"({"x":1})"));
  EXPECT_THAT(host_->events(), SizeIs(1));
}

}  // namespace
}  // namespace belfry::kv
