#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/mounts/engine.h"
#include "server/mounts/lease_record.h"
#include "server/mounts/mount_table.h"

namespace belfry::mounts {

// What the host asks of engines on its own account. Thread-safe.

// kRenew or kRevoke, for this lease. (plugin-protocol 5.5)
Request LeaseRequest(const MountEntry& entry, const LeaseRecord& record, Operation operation,
                     absl::Time deadline);

// OK when the engine did what it was asked to; InvalidArgument with its words when it refused.
absl::Status Outcome(const absl::StatusOr<Reply>& reply);

// Has the engine undo what it left half done; OK also when it has no notion of that. Blocks.
// (plugin-protocol 6.4)
absl::Status RollBack(const Mount& mount, absl::Time deadline);
// The same in two halves, for callers that do not block: the request, and what its answer means. An
// engine that knows no such request has nothing to roll back.
Request RollbackRequest(const MountEntry& entry, absl::Time deadline);
absl::Status RollbackOutcome(const absl::StatusOr<Reply>& reply);

}  // namespace belfry::mounts
