#include "server/plugin_host/stored_requests.h"

#include <gtest/gtest.h>

#include <memory>

namespace belfry::plugin_host {
namespace {

TEST(StoredRequestsTest, WhatIsStoredCountsForTheRequestThatIsUnderWay) {
  const auto requests = std::make_shared<StoredRequests>();
  const StoredRequests::UnderWay one(requests, "one"), other(requests, "other");
  EXPECT_FALSE(one.HasStored());
  requests->Begin("one");
  EXPECT_TRUE(one.HasStored());
  EXPECT_FALSE(other.HasStored());
}

TEST(StoredRequestsTest, WhatCouldNotBeStoredDoesNotCount) {
  const auto requests = std::make_shared<StoredRequests>();
  const StoredRequests::UnderWay one(requests, "one");
  requests->Begin("one");
  requests->Begin("one");
  requests->Fail("one");
  EXPECT_TRUE(one.HasStored());
  requests->Fail("one");
  EXPECT_FALSE(one.HasStored());
}

// As an existence check does, whose answer begins the call that it was asked for.
TEST(StoredRequestsTest, OneCallOfARequestMayEndWhileTheNextIsUnderWay) {
  const auto requests = std::make_shared<StoredRequests>();
  auto check = std::make_unique<StoredRequests::UnderWay>(requests, "one");
  const StoredRequests::UnderWay call(requests, "one");
  check = nullptr;
  requests->Begin("one");
  EXPECT_TRUE(call.HasStored());
}

TEST(StoredRequestsTest, OfARequestThatIsNotUnderWayNothingIsKept) {
  const auto requests = std::make_shared<StoredRequests>();
  requests->Begin("one");
  { const StoredRequests::UnderWay one(requests, "one"); }
  const StoredRequests::UnderWay again(requests, "one"), nameless(requests, ""),
      unknown(nullptr, "one");
  EXPECT_FALSE(again.HasStored());
  EXPECT_FALSE(nameless.HasStored());
  EXPECT_FALSE(unknown.HasStored());
}

}  // namespace
}  // namespace belfry::plugin_host
