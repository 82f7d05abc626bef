#include "sdk/src/outgoing_error.h"

#include <array>
#include <optional>

#include "base/text.h"
#include "belfry/response.h"

namespace belfry::internal {
namespace {

// Either way, and the first row of a type or status is the one that its inverse takes.
struct Row {
  absl::StatusCode code;
  ErrorType type;
  int http_status = 0;
};
constexpr std::array kTable = {
    Row{absl::StatusCode::kInvalidArgument, ErrorType::kInput},
    Row{absl::StatusCode::kInvalidArgument, ErrorType::kUser},
    Row{absl::StatusCode::kInvalidArgument, ErrorType::kBadRequest},
    Row{absl::StatusCode::kPermissionDenied, ErrorType::kPermissionDenied},
    Row{absl::StatusCode::kPermissionDenied, ErrorType::kMultiAuthorization},
    Row{absl::StatusCode::kUnimplemented, ErrorType::kUnsupportedOperation},
    Row{absl::StatusCode::kUnimplemented, ErrorType::kUnsupportedPath},
    Row{absl::StatusCode::kInternal, ErrorType::kInternal},
    Row{absl::StatusCode::kDataLoss, ErrorType::kUnrecoverable},
    Row{absl::StatusCode::kNotFound, ErrorType::kCoded, 404},
    Row{absl::StatusCode::kAborted, ErrorType::kCoded, 409},
    Row{absl::StatusCode::kFailedPrecondition, ErrorType::kCoded, 412},
    Row{absl::StatusCode::kResourceExhausted, ErrorType::kCoded, 429},
    Row{absl::StatusCode::kUnavailable, ErrorType::kCoded, 503},
    Row{absl::StatusCode::kDeadlineExceeded, ErrorType::kCoded, 504},
};

constexpr int kBadRequestStatus = 400;

}  // namespace

OutgoingError ToError(const absl::Status& status) {
  std::string message(ToStd(status.message()));
  if (const std::optional<int> http_status = HttpStatusOf(status)) {
    if (*http_status == kBadRequestStatus) return {ErrorType::kInvalidRequest, std::move(message)};
    return {ErrorType::kCoded, std::move(message), *http_status};
  }
  for (const Row& row : kTable) {
    if (row.code == status.code()) return {row.type, std::move(message), row.http_status};
  }
  return {ErrorType::kUnknown, std::move(message)};
}

absl::Status ToStatus(const OutgoingError& error) {
  if (error.type == ErrorType::kInvalidRequest) return HttpError(kBadRequestStatus, error.message);
  for (const Row& row : kTable) {
    if (row.type == error.type && row.http_status == error.http_status) {
      return absl::Status(row.code, error.message);
    }
  }
  if (error.type == ErrorType::kCoded) return HttpError(error.http_status, error.message);
  return absl::UnknownError(error.message);
}

}  // namespace belfry::internal
