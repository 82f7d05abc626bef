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

// The same claims on the fake and over the real wire.
class Notes : public testing::TestWithParam<std::unique_ptr<TestHost> (*)(
                  void (*)(belfry::SecretsEngine&), belfry::testing::MountOptions)> {
 protected:
  const std::unique_ptr<TestHost> host_ = GetParam()(DefineNotes, {});
};

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

INSTANTIATE_TEST_SUITE_P(Fake, Notes, testing::Values(&belfry::testing::NewFakeHost));
INSTANTIATE_TEST_SUITE_P(Wire, Notes, testing::Values(&belfry::testing::NewWireHost));

}  // namespace
