#include "counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"

namespace {

using belfry::testing::IsData;
using belfry::testing::IsNoContent;
using belfry::testing::TestHost;

void ExpectThatItCounts(TestHost& host) {
  ASSERT_THAT(host.Write("counters/a", {}), IsNoContent());
  ASSERT_THAT(host.Write("counters/a", {{"by", 41}}), IsNoContent());
  EXPECT_THAT(host.Read("counters/a"), IsData(R"({"count":42})"));
}

TEST(Counter, CountsOnTheFakeHost) {
  ExpectThatItCounts(*belfry::testing::NewFakeHost(DefineCounter));
}

TEST(Counter, CountsOverTheWire) {
  ExpectThatItCounts(*belfry::testing::NewWireHost(DefineCounter));
}

}  // namespace
