#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace belfry::mounts {

// A lease as operators see it. A value.
struct LeaseInfo {
  std::string id;
  absl::Time issued;
  absl::Time expires;
  std::optional<absl::Time> last_renewal;
  bool renewable = false;
  // Failed revocations, the message of the last one, and when the next attempt follows. Zero: none
  // has failed.
  int failures = 0;
  std::string last_failure;
  absl::Time next_attempt = absl::InfinitePast();
};

// Which leases: one, all below a path, or all that were issued to one token. A value.
struct LeaseScope {
  std::string id_or_prefix;
  bool prefix = false;
  std::string token_accessor;  // If not empty, it alone counts.
};

}  // namespace belfry::mounts
