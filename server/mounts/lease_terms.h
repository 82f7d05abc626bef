#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "server/mounts/engine.h"
#include "server/mounts/lease_record.h"
#include "server/mounts/mount_entry.h"

namespace belfry::mounts {

// For how long secrets are leased, and tokens of logins granted. The system's times are those of
// Limits. Pure functions.

// The times of a mount: its own, else the system's.
absl::Duration DefaultTtl(const Limits& limits, const MountEntry& entry);
absl::Duration MaxTtl(const Limits& limits, const MountEntry& entry);

// The longest that something of this mount may last: what the engine says, zero or less being
// nothing, and never more than the mount or the system allows.
absl::Duration LongestTtl(const Limits& limits, const MountEntry& entry, absl::Duration max_ttl);

// Whether a secret of this mount gets a lease. Those of kv only say how long to keep them, unless
// the mount has the option leased_passthrough=true.
bool GivesLeases(const MountEntry& entry);

// What a new lease gets: the engine's time, else the mount's default, never above the longest.
absl::Duration GrantedTtl(const Limits& limits, const MountEntry& entry, const Lease& lease);

// What a renewal gets from now on, when the engine has answered `lease`: its time, else what was
// asked for, else the mount's default; never beyond the longest from when the secret was issued.
// FailedPrecondition when that is past.
absl::StatusOr<absl::Duration> RenewedTtl(const Limits& limits, const MountEntry& entry,
                                          const Lease& lease, absl::Duration increment,
                                          absl::Time issued, absl::Time now);

// What `record` becomes when the engine has answered its renewal with `lease`, at `now`: a new
// expiry, and what the engine wants back from now on. As RenewedTtl.
absl::StatusOr<LeaseRecord> RenewedRecord(const Limits& limits, const MountEntry& entry,
                                          LeaseRecord record, Lease lease, absl::Time now);

}  // namespace belfry::mounts
