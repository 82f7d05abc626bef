#pragma once

#include <grpc/support/time.h>

#include "absl/time/time.h"

namespace belfry::wire {

// The deadline of a gRPC call that may take so long from now, for ClientContext::set_deadline. By
// the monotonic clock: a deadline that names a time of the wall clock, as absl::Now() + limit, ends
// too early or too late when somebody sets that.
inline gpr_timespec DeadlineAfter(absl::Duration limit) {
  // What gRPC can count.
  if (limit > absl::Hours(24 * 365)) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(limit), GPR_TIMESPAN));
}

}  // namespace belfry::wire
