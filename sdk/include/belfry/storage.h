#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace belfry {

// The mount's own keys; nobody else's. They live in the host, behind its encryption.
//
// Threads: safe to use from several at once.
// Lifetime: a request's storage is valid during its handler.
// Cost: each call is a round trip to the host. A Put that has returned OK is seen by every later
// Get, and is as durable as the host's storage. Errors: FailedPrecondition when the host is
// read-only at this moment (during start-up, always); Unavailable when the host is gone;
// DeadlineExceeded and Cancelled as for the request.
// Limits: keys are '/'-separated UTF-8 without ".." segments; a value may have up to 1 MiB where
// the host sets no other limit.
class Storage {
 public:
  virtual ~Storage() = default;
  // nullopt: there is no such key.
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) = 0;
  [[nodiscard]] virtual absl::Status Put(std::string_view key, std::string_view value) = 0;
  // OK when there was none.
  [[nodiscard]] virtual absl::Status Delete(std::string_view key) = 0;
  // What is directly below `prefix` (empty, or ending in '/'), without it; folders end in '/'. In
  // lexical order.
  virtual absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) = 0;
};

}  // namespace belfry
