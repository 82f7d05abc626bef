#include "sdk/src/outgoing_error.h"

#include <gtest/gtest.h>

#include "belfry/response.h"

namespace belfry::internal {
namespace {

TEST(OutgoingErrorTest, KnownKindsTravelAsTheirTypeAndTheOthersAsTheirHttpStatus) {
  const auto type = [](const absl::Status& status) { return ToError(status).type; };
  EXPECT_EQ(type(absl::InvalidArgumentError("")), ErrorType::kInput);
  EXPECT_EQ(type(HttpError(400, "")), ErrorType::kInvalidRequest);
  EXPECT_EQ(type(absl::PermissionDeniedError("")), ErrorType::kPermissionDenied);
  EXPECT_EQ(type(absl::UnimplementedError("")), ErrorType::kUnsupportedOperation);
  EXPECT_EQ(type(absl::InternalError("")), ErrorType::kInternal);
  EXPECT_EQ(type(absl::DataLossError("")), ErrorType::kUnrecoverable);
  EXPECT_EQ(type(absl::CancelledError("")), ErrorType::kUnknown);
  EXPECT_EQ(ToError(absl::NotFoundError("")).http_status, 404);
  EXPECT_EQ(ToError(absl::AbortedError("")).http_status, 409);
  EXPECT_EQ(ToError(absl::FailedPreconditionError("")).http_status, 412);
  EXPECT_EQ(ToError(absl::ResourceExhaustedError("")).http_status, 429);
  EXPECT_EQ(ToError(absl::UnavailableError("")).http_status, 503);
  EXPECT_EQ(ToError(absl::DeadlineExceededError("")).http_status, 504);
}

TEST(OutgoingErrorTest, AnHttpErrorKeepsItsNumberWhateverItIs) {
  for (const int http_status : {401, 403, 404, 418, 500, 502, 599}) {
    const OutgoingError error = ToError(HttpError(http_status, "m"));
    EXPECT_EQ(error.type, ErrorType::kCoded);
    EXPECT_EQ(error.http_status, http_status);
    EXPECT_EQ(ToError(ToStatus(error)).http_status, http_status);
  }
}

// Every type of the protocol, as another SDK's plugin may send it. (plugin-protocol 5.6)
TEST(OutgoingErrorTest, EveryTypeIsUnderstood) {
  const auto code = [](int type) {
    return ToStatus({static_cast<ErrorType>(type), "m", type == 3 ? 418 : 0}).code();
  };
  EXPECT_EQ(code(0), absl::StatusCode::kUnknown);
  EXPECT_EQ(code(1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(2), absl::StatusCode::kInternal);
  EXPECT_EQ(code(3), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code(4), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(5), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(code(6), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(code(7), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(8), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(9), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(10), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace belfry::internal
