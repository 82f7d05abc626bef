#include "plugins/kv/upgrade.h"

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
using ::testing::SizeIs;

const belfry::testing::MountOptions kVersion2 = {{"version", "2"}};

class UpgradeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    host_ = belfry::testing::NewFakeHost(DefineKv);
    for (const char* key : {"a", "a/b", "a/b/c", "d..e"}) {
      EXPECT_THAT(host_->Write(key, {{"was", key}, {"n", *Json::Parse("1.50")}}), IsNoContent());
    }
  }
  void ExpectUpgraded() {
    EXPECT_THAT(host_->List("metadata"), IsData(R"({"keys":["a","a/","d..e"]})"));
    for (const std::string key : {"a", "a/b", "a/b/c", "d..e"}) {
      const Result result = host_->Read("data/" + key);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->data().at("data").Dump(), R"({"n":1.50,"was":")" + key + "\"}");
      EXPECT_EQ(result->data().at("metadata").if_object()->at("version").Dump(), "1");
    }
    EXPECT_EQ(host_->storage().List("fake-host/v1/")->size(), 0u);
    EXPECT_THAT(host_->events(), SizeIs(4));
  }

  std::unique_ptr<belfry::testing::TestHost> host_;
};

TEST_F(UpgradeTest, EachSecretBecomesTheFirstVersionOfAKey) {
  host_->Restart(kVersion2);
  ASSERT_EQ(host_->RunBackground(), absl::OkStatus());
  ExpectUpgraded();
  const Result written = host_->Write("data/a", {{"data", Json::Object{{"x", 1}}}});
  EXPECT_EQ(written->data().at("version").Dump(), "2");
}

TEST_F(UpgradeTest, UntilItIsDoneRequestsAreToldToComeBack) {
  host_->Restart(kVersion2);
  const auto refused = FailsWith(absl::StatusCode::kInvalidArgument,
                                 "Upgrading from non-versioned to versioned data.");
  EXPECT_THAT(host_->Read("data/a"), refused);
  EXPECT_THAT(host_->Write("data/a", {{"data", Json::Object()}}), refused);
  EXPECT_THAT(host_->Read("config"), refused);
  EXPECT_THAT(host_->List("metadata"), refused);
  ASSERT_EQ(host_->RunBackground(), absl::OkStatus());
  ExpectUpgraded();
}

TEST_F(UpgradeTest, ACrashAtAnyPointLosesAndRepeatsNothing) {
  int crashes = 0;
  absl::Status status;
  do {
    SetUp();
    host_->Restart(kVersion2);
    // A host that does batches one by one fails at this of its operations.
    host_->storage().FailAfter(crashes, absl::UnavailableError("crash"));
    status = host_->RunBackground();
    if (status.ok()) break;
    ++crashes;
    host_->Restart(kVersion2);
    ASSERT_EQ(host_->RunBackground(), absl::OkStatus());
    ExpectUpgraded();
  } while (!HasFailure());
  // Three folders; two Gets, two Puts and a Delete for each of four keys.
  EXPECT_EQ(crashes, 3 + 5 * 4);
}

TEST_F(UpgradeTest, WhatFailedGoesOnWithoutARestart) {
  host_->Restart(kVersion2);
  host_->storage().FailAfter(6, absl::UnavailableError("down"));
  EXPECT_EQ(host_->RunBackground(), absl::UnavailableError("down"));
  EXPECT_FALSE(host_->Read("data/a").ok());
  EXPECT_EQ(host_->RunBackground(), absl::OkStatus());
  ExpectUpgraded();
}

TEST_F(UpgradeTest, ANewMountHasNothingToUpgrade) {
  const auto host = belfry::testing::NewFakeHost(DefineKv, kVersion2);
  EXPECT_TRUE(host->Write("data/a", {{"data", Json::Object()}}).ok());
  ASSERT_EQ(host->RunBackground(), absl::OkStatus());
  EXPECT_TRUE(host->Read("data/a").ok());
}

TEST_F(UpgradeTest, APluginBehindAWireUpgradesByItself) {
  const auto host = belfry::testing::NewWireHost(DefineKv);
  ASSERT_THAT(host->Write("a", {{"x", 1}}), IsNoContent());
  host->Restart(kVersion2);
  Result read = host->Read("data/a");
  while (absl::IsInvalidArgument(read.status())) read = host->Read("data/a");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->data().at("data").Dump(), R"({"x":1})");
}

}  // namespace
}  // namespace belfry::kv
