#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "proto/vault/backend.pb.h"
#include "sdk/src/engine_instance.h"

namespace belfry::internal {

// Leases and grants between the messages of pb.Backend and what an engine understands. Durations
// travel as nanoseconds; a lease has its time of issue always, because hosts refuse it otherwise.
// (plugin-protocol 5.4, 5.5) Pure functions, thread-safe.

// A secret's kind travels in its internal data, as Vault's own engines do it.
void ToProto(const std::string& kind, const Lease& lease, absl::Time now, pb::Secret& secret);
void ToProto(const Grant& grant, absl::Time now, pb::Auth& auth);

// InvalidArgument when the internal data is no JSON object.
absl::StatusOr<IncomingSecret> FromProto(const pb::Secret& secret);
absl::StatusOr<GivenGrant> FromProto(const pb::Auth& auth);

}  // namespace belfry::internal
