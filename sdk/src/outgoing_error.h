#pragma once

#include <string>

#include "absl/status/status.h"

namespace belfry::internal {

// What kind of failure an answer is, beyond its text; the numbers of ProtoError.err_type.
// (plugin-protocol 5.6)
enum class ErrorType {
  // The client's input is wrong: an answer that says so, and no ProtoError at all, as
  // logical.ErrorResponse.
  kInput = -1,
  kUnknown = 0,
  kUser = 1,
  kInternal = 2,
  kCoded = 3,
  kBadRequest = 4,
  kUnsupportedOperation = 5,
  kUnsupportedPath = 6,
  kInvalidRequest = 7,
  kPermissionDenied = 8,
  kMultiAuthorization = 9,
  kUnrecoverable = 10,
};

struct OutgoingError {
  ErrorType type = ErrorType::kUnknown;
  std::string message;
  int http_status = 0;  // For kCoded.
};

// What hosts say to a request that nothing here is meant for.
inline constexpr char kUnsupportedOperationText[] = "unsupported operation";
inline constexpr char kUnsupportedPathText[] = "unsupported path";

// The table of response.h: the types that every host knows where they say it, else the HTTP status.
// Pure, thread-safe, like its inverse.
OutgoingError ToError(const absl::Status& status);

// The status that a handler returned, or the nearest one: what travels by HTTP status alone comes
// back with a code that has it, else as HttpError.
absl::Status ToStatus(const OutgoingError& error);

}  // namespace belfry::internal
