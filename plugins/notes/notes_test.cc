#include "plugins/notes/notes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"

namespace {

using belfry::testing::EventIs;
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

TEST_P(Notes, TellSubscribersWhereToRead) {
  ASSERT_THAT(host_->Write("notes/a", {{"text", "hi"}}), IsNoContent());
  EXPECT_THAT(host_->events(), testing::ElementsAre(EventIs("notes/write", "notes/a")));
}

}  // namespace
