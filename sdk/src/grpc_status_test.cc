#include "sdk/src/grpc_status.h"

#include "gtest/gtest.h"

namespace belfry::internal {
namespace {

TEST(GrpcStatusTest, EveryCodeSurvivesTheWayThereAndBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
  }
  EXPECT_TRUE(FromGrpc(ToGrpc(absl::OkStatus())).ok());
}

// gRPC drops a message that is not.
TEST(GrpcStatusTest, TheMessageBecomesValidUtf8) {
  EXPECT_EQ(ToGrpc(absl::InternalError("\xff")).error_message(), "\xef\xbf\xbd");
}

}  // namespace
}  // namespace belfry::internal
