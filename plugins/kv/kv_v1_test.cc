#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"
#include "plugins/kv/kv.h"

namespace belfry::kv {
namespace {

using belfry::testing::EventIs;
using belfry::testing::FailsWith;
using belfry::testing::IsData;
using belfry::testing::IsNoContent;
using belfry::testing::IsNotFound;
using ::testing::ElementsAre;

class KvV1Test : public ::testing::Test {
 protected:
  const std::unique_ptr<belfry::testing::TestHost> host_ = belfry::testing::NewFakeHost(DefineKv);
};

TEST_F(KvV1Test, AValueComesBackWithItsNumbersAsTheyWereWritten) {
  ASSERT_THAT(
      host_->Write("a/b",
                   *Json::Parse(R"({"n":12345678901234567890,"f":1.50,"s":"x"})")->if_object()),
      IsNoContent());
  EXPECT_THAT(host_->Read("a/b"), IsData(R"({"f":1.50,"n":12345678901234567890,"s":"x"})"));
}

TEST_F(KvV1Test, AWriteReplacesTheWholeValue) {
  ASSERT_THAT(host_->Write("a", {{"x", 1}}), IsNoContent());
  ASSERT_THAT(host_->Write("a", {{"y", 2}}), IsNoContent());
  EXPECT_THAT(host_->Read("a"), IsData(R"({"y":2})"));
}

TEST_F(KvV1Test, AnEmptyWriteIsRefusedAndChangesNothing) {
  EXPECT_THAT(host_->Write("a", {}),
              FailsWith(absl::StatusCode::kInvalidArgument, "missing data fields"));
  EXPECT_THAT(host_->Read("a"), IsNotFound());
  EXPECT_TRUE(host_->events().empty());
}

TEST_F(KvV1Test, AQuerysParametersAreNoMistake) {
  ASSERT_THAT(host_->Write("a", {{"x", 1}}), IsNoContent());
  EXPECT_TRUE(host_->Read("a", {{"version", "2"}})->warnings().empty());
}

TEST_F(KvV1Test, AFolderIsNotDeletedNorTold) {
  EXPECT_EQ(host_->Delete("a/").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(host_->events().empty());
}

TEST_F(KvV1Test, ADeleteIsToldEvenWhenThereWasNothing) {
  ASSERT_THAT(host_->Delete("never"), IsNoContent());
  EXPECT_THAT(host_->events(), ElementsAre(EventIs("kv-v1/delete", "never")));
}

TEST_F(KvV1Test, ASecretCanSayForHowLongItIsGood) {
  const auto ttl = [this](Json::Object secret) {
    EXPECT_THAT(host_->Write("a", std::move(secret)), IsNoContent());
    return host_->Read("a")->lease()->ttl;
  };
  EXPECT_EQ(ttl({{"ttl", "1h"}, {"lease", "2h"}}), absl::Hours(1));
  EXPECT_EQ(ttl({{"lease", 60}}), absl::Minutes(1));
  // The mount's default.
  EXPECT_EQ(ttl({{"ttl", "soon"}}), absl::ZeroDuration());
  EXPECT_EQ(ttl({{"x", 1}}), absl::ZeroDuration());
  EXPECT_FALSE(host_->Read("a")->lease()->renewable);
}

TEST_F(KvV1Test, WithLeasesWhatSaysForHowLongItIsGoodCanBeRenewed) {
  const auto host = belfry::testing::NewFakeHost(DefineKv, {{"leased_passthrough", "true"}});
  ASSERT_THAT(host->Write("a", {{"ttl", "1h"}}), IsNoContent());
  const Result leased = host->Read("a");
  EXPECT_TRUE(leased->lease()->renewable);
  ASSERT_THAT(host->Write("a", {{"ttl", "2h"}}), IsNoContent());
  EXPECT_EQ(host->Renew("a", *leased)->lease()->ttl, absl::Hours(2));
  EXPECT_TRUE(host->Revoke("a", *leased).ok());
  ASSERT_THAT(host->Delete("a"), IsNoContent());
  EXPECT_EQ(host->Renew("a", *leased).status().code(), absl::StatusCode::kNotFound);
  ASSERT_THAT(host->Write("a", {{"x", 1}}), IsNoContent());
  EXPECT_FALSE(host->Read("a")->lease()->renewable);
}

TEST_F(KvV1Test, AListShowsOneLevel) {
  for (const char* path : {"a", "b/c", "b/d"})
    ASSERT_THAT(host_->Write(path, {{"x", 1}}), IsNoContent());
  EXPECT_THAT(host_->List(""), IsData(R"({"keys":["a","b/"]})"));
  EXPECT_THAT(host_->List("b"), IsData(R"({"keys":["c","d"]})"));
}

TEST_F(KvV1Test, AnEventThatIsRefusedDoesNotFailTheWrite) {
  host_->RefuseEvents(absl::UnavailableError("gone"));
  EXPECT_THAT(host_->Write("a", {{"x", 1}}), IsNoContent());
  EXPECT_THAT(host_->Read("a"), IsData(R"({"x":1})"));
}

TEST_F(KvV1Test, AWriteThatStorageRefusesIsNotTold) {
  host_->storage().ReadOnly();
  EXPECT_THAT(host_->Write("a", {{"x", 1}}),
              FailsWith(absl::StatusCode::kFailedPrecondition, "readonly"));
  EXPECT_TRUE(host_->events().empty());
}

}  // namespace
}  // namespace belfry::kv
