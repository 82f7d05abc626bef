#include "cli/backoff.h"

#include <algorithm>

namespace belfry::cli {

absl::Duration Backoff::Next() {
  const absl::Duration bound = bound_;
  bound_ = std::min(2 * bound_, longest_);
  return bound * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
}

}  // namespace belfry::cli
