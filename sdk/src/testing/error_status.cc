#include "sdk/src/testing/error_status.h"

namespace belfry::testing {

absl::Status ToStatus(const internal::OutgoingError& error) {
  switch (error.type) {
    case internal::ErrorType::kInvalidRequest:
      return absl::InvalidArgumentError(error.message);
    case internal::ErrorType::kPermissionDenied:
      return absl::PermissionDeniedError(error.message);
    case internal::ErrorType::kUnsupportedOperation:
    case internal::ErrorType::kUnsupportedPath:
      return absl::UnimplementedError(error.message);
    case internal::ErrorType::kUnknown:
      return absl::InternalError(error.message);
    case internal::ErrorType::kCoded:
      break;
  }
  switch (error.http_status) {
    case 404:
      return absl::NotFoundError(error.message);
    case 409:
      return absl::AbortedError(error.message);
    case 412:
      return absl::FailedPreconditionError(error.message);
    case 429:
      return absl::ResourceExhaustedError(error.message);
    case 503:
      return absl::UnavailableError(error.message);
    case 504:
      return absl::DeadlineExceededError(error.message);
    default:
      return absl::InternalError(error.message);
  }
}

}  // namespace belfry::testing
