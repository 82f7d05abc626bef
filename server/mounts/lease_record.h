#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/mounts/engine.h"

namespace belfry::mounts {

// A lease as it is stored: all that renewing and revoking need. A value.
struct LeaseRecord {
  std::string mount;           // "database/"
  std::string path;            // Below it, as it was asked for.
  std::string data;            // What the client got, as JSON.
  std::string token_accessor;  // Of the token that asked; empty: none.
  Lease lease;  // As the engine gave it or last renewed it, with id and time of issue.
  absl::Time expires;
  std::optional<absl::Time> last_renewal;
};

// Pure functions. Texts are kept byte by byte, so that numbers stay as they were written.
std::string StoredText(const LeaseRecord& record);
// DataLoss when `text` is not what StoredText made.
absl::StatusOr<LeaseRecord> FromStoredText(std::string_view text);

}  // namespace belfry::mounts
