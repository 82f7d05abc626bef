#include "plugins/notes/notes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"

namespace {

using belfry::testing::EventIs;
using belfry::testing::FailsWith;
using belfry::testing::IsData;
using belfry::testing::IsNoContent;
using belfry::testing::IsNotFound;
using belfry::testing::TestHost;

class Notes : public belfry::testing::OnBothHosts {
 protected:
  const std::unique_ptr<TestHost> host_ = NewHost(DefineNotes);
};
BELFRY_RUN_ON_BOTH_HOSTS(Notes);

TEST_P(Notes, AreReadBackAsTheyWereWritten) {
  ASSERT_THAT(host_->Write("notes/a", {{"text", "hi"}}), IsNoContent());
  EXPECT_THAT(host_->Read("notes/a"), IsData(R"({"text":"hi"})"));
}

TEST_P(Notes, ThatNobodyWroteAreNotFound) {
  EXPECT_THAT(host_->Read("notes/a"), IsNotFound());
}

TEST_P(Notes, NeedAText) {
  EXPECT_THAT(host_->Write("notes/a", {}),
              FailsWith(absl::StatusCode::kInvalidArgument, "missing required field \"text\""));
  EXPECT_THAT(host_->Read("notes/a"), IsNotFound());
}

TEST_P(Notes, AreListedUpToALimit) {
  for (const char* path : {"notes/a", "notes/b", "notes/c"})
    ASSERT_THAT(host_->Write(path, {{"text", "hi"}}), IsNoContent());
  EXPECT_THAT(host_->List("notes"), IsData(R"({"keys":["a","b","c"]})"));
  EXPECT_THAT(host_->List("notes", {{"limit", "2"}}), IsData(R"({"keys":["a","b"]})"));
  EXPECT_THAT(host_->List("notes", {{"limit", -1}}),
              FailsWith(absl::StatusCode::kInvalidArgument, "must not be negative"));
}

TEST_P(Notes, ExplainThemselves) {
  EXPECT_THAT(*host_->Help("notes/a")->data().at("help").if_string(),
              testing::HasSubstr("text (string, required, sensitive)\n        What to keep."));
}

TEST_P(Notes, TellSubscribersWhereToRead) {
  ASSERT_THAT(host_->Write("notes/a", {{"text", "hi"}}), IsNoContent());
  EXPECT_THAT(host_->events(), testing::ElementsAre(EventIs("notes/write", "notes/a")));
}

}  // namespace
