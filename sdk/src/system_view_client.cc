#include "sdk/src/system_view_client.h"

#include "sdk/src/grpc_status.h"
#include "sdk/wire/deadline.h"

namespace belfry::internal {
namespace {

constexpr absl::Duration kCallLimit = absl::Seconds(30);

}  // namespace

absl::StatusOr<LeaseTtls> SystemViewClient::Ttls() const {
  const auto deadline = wire::DeadlineAfter(kCallLimit);
  grpc::ClientContext default_context;
  default_context.set_deadline(deadline);
  pb::TTLReply default_ttl;
  grpc::Status status = host_->DefaultLeaseTTL(&default_context, pb::Empty(), &default_ttl);
  if (!status.ok()) return FromGrpc(status);
  grpc::ClientContext max_context;
  max_context.set_deadline(deadline);
  pb::TTLReply max_ttl;
  status = host_->MaxLeaseTTL(&max_context, pb::Empty(), &max_ttl);
  if (!status.ok()) return FromGrpc(status);
  return LeaseTtls{.default_ttl = absl::Nanoseconds(default_ttl.ttl()),
                   .max_ttl = absl::Nanoseconds(max_ttl.ttl())};
}

}  // namespace belfry::internal
