#pragma once

#include "absl/status/statusor.h"
#include "proto/vault/backend.pb.h"
#include "sdk/src/engine_instance.h"

namespace belfry::internal {

// Between the messages of pb.Backend and what an engine understands. Pure functions, thread-safe.

// Everything but what belongs to the call itself (deadline, cancellation, storage, events).
// InvalidArgument when `data` is no JSON object; null and empty text mean no data, for hosts that
// leave it out. (plugin-protocol 5.3)
absl::StatusOr<IncomingRequest> ToIncoming(const pb::Request& request);

// An answer with an HTTP status of its own travels as a raw response with the whole envelope as its
// body, as Vault's kv does it; `request` gives the envelope its id. (plugin-protocol 5.3, 5.6, 8.4)
// `now` is when leases begin.
pb::HandleRequestReply ToReply(const OutgoingReply& reply, const pb::Request& request,
                               absl::Time now);

pb::HandleExistenceCheckReply ToReply(const absl::StatusOr<std::optional<bool>>& exists);

pb::SpecialPathsReply ToReply(const SpecialPaths& paths);

// A hook's failure, or an existence check's: a host shows only a user's mistake as it is.
// (plugin-protocol 5.7)
void ToProto(const absl::Status& status, pb::ProtoError& error);

}  // namespace belfry::internal
