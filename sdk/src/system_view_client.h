#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "belfry/lease.h"
#include "grpcpp/channel.h"
#include "proto/vault/backend.grpc.pb.h"

namespace belfry::internal {

// What one mount may ask of its host's view of the system. Thread-safe. (plugin-protocol 5.9)
class SystemViewClient final {
 public:
  explicit SystemViewClient(const std::shared_ptr<grpc::Channel>& channel)
      : host_(pb::SystemView::NewStub(channel)) {}

  // Blocks for half a minute at most. Errors as gRPC has them.
  absl::StatusOr<LeaseTtls> Ttls() const;

 private:
  const std::unique_ptr<pb::SystemView::StubInterface> host_;
};

}  // namespace belfry::internal
