#pragma once

#include "absl/status/status.h"
#include "sdk/src/engine_instance.h"

namespace belfry::testing {

// The status a handler returned, out of what travels. Pure, thread-safe.
absl::Status ToStatus(const internal::OutgoingError& error);

}  // namespace belfry::testing
