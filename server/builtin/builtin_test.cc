#include "server/builtin/builtin.h"

#include <set>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/access/acl.h"
#include "server/builtin/testing.h"

namespace belfry::builtin {
namespace {

TEST(Builtin, OwnsItsPathsAndNothingBesideThem) {
  for (const char* path : {"sys", "sys/", "sys/health", "auth/token", "auth/token/create",
                           "cubbyhole", "cubbyhole/a"}) {
    EXPECT_TRUE(Owns(path)) << path;
  }
  for (const char* path : {"", "system", "auth", "auth/tokens/x", "cubbyholes/a", "secret/sys"}) {
    EXPECT_FALSE(Owns(path)) << path;
  }
}

TEST(Builtin, EveryEndpointIsOwnedAndAnsweredOnce) {
  std::set<std::pair<std::string, int>> known;
  for (const Endpoint* endpoint : AllEndpoints()) {
    EXPECT_TRUE(Owns(endpoint->path)) << endpoint->path;
    EXPECT_NE(endpoint->answer == nullptr, endpoint->begin == nullptr) << endpoint->path;
    const int operation = endpoint->operation ? static_cast<int>(*endpoint->operation) : -1;
    EXPECT_TRUE(known.emplace(endpoint->path, operation).second) << endpoint->path;
  }
}

// Where the policies' own list asks for sudo, whatever the endpoint, the endpoint says so.
TEST(Builtin, WhatNeedsSudoIsDeclaredSo) {
  for (const Endpoint* endpoint : AllEndpoints()) {
    if (!access::NeedsSudo(PathOf(*endpoint))) continue;
    EXPECT_EQ(endpoint->right, Right::kSudo) << endpoint->path;
  }
}

TEST(Builtin, OnlyWhatReadsIsOpenToAnyone) {
  for (const Endpoint* endpoint : AllEndpoints()) {
    if (endpoint->right != Right::kAnyTokenOrNone) continue;
    EXPECT_EQ(endpoint->operation, mounts::Operation::kRead) << endpoint->path;
    EXPECT_TRUE(IsOpen(endpoint->path));
  }
  EXPECT_FALSE(IsOpen("sys/mounts"));
}

}  // namespace
}  // namespace belfry::builtin
