#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace belfry::internal {

// The two kinds of status have the same codes; the message is kept. Pure, thread-safe.
absl::Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace belfry::internal
