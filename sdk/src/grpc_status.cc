#include "sdk/src/grpc_status.h"

#include "base/text.h"
#include "base/utf8.h"

namespace belfry::internal {

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      ToAbsl(status.error_message()));
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      ValidUtf8(ToStd(status.message())));
}

}  // namespace belfry::internal
