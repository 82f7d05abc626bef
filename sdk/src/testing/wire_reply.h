#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "belfry/response.h"
#include "proto/vault/backend.pb.h"

namespace belfry::testing {

// What a handler answered, out of what travelled, as far as it can be told: without a response, a
// read or list has found nothing, and anything else has nothing to say. Internal when the reply
// breaks the protocol. Pure, thread-safe.
absl::Status FromProto(const pb::ProtoError& error);
Result FromReply(std::string_view operation, const pb::HandleRequestReply& reply);

}  // namespace belfry::testing
