#pragma once

#include <future>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/mounts/engine.h"
#include "server/mounts/lease_record.h"
#include "server/mounts/router.h"

namespace belfry::mounts {

// What the host asks of engines on its own account. Thread-safe.

// kRenew or kRevoke, for this lease. (plugin-protocol 5.5)
Request LeaseRequest(const MountEntry& entry, const LeaseRecord& record, Operation operation,
                     SteadyTime deadline);

// OK when the engine did what it was asked to; InvalidArgument with its words when it refused.
absl::Status Outcome(const absl::StatusOr<Reply>& reply);

// What the future gets. While that takes longer than `patience`, the engine is looked at: a process
// that does not answer is killed, and with it ends what was asked of it.
template <typename T>
T Await(std::future<T> answer, Engine& engine, absl::Duration patience) {
  while (answer.wait_for(absl::ToChronoMilliseconds(patience)) != std::future_status::ready)
    engine.KillIfSilent();
  return answer.get();
}

// Asks the engine to undo what it left half done; OK also when it has no notion of that. Blocks; an
// engine that does not answer is killed as by Await. (plugin-protocol 6.4)
absl::Status RollBack(const Mount& mount, SteadyTime deadline, absl::Duration patience);
// The same in two halves, for callers that do not block: the request, and what its answer means. An
// engine that knows no such request has nothing to roll back.
Request RollbackRequest(const MountEntry& entry, SteadyTime deadline);
absl::Status RollbackOutcome(const absl::StatusOr<Reply>& reply);

}  // namespace belfry::mounts
