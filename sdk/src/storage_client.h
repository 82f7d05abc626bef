#pragma once

#include <memory>

#include "absl/time/time.h"
#include "belfry/storage.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"
#include "proto/vault/backend.grpc.pb.h"

namespace belfry::internal {

// The mount's storage, behind its host's pb.Storage. (plugin-protocol 5.8)
//
// Threads: safe. Errors: as Storage says; the host's own words are kept. A call made for a request
// ends when the request's deadline passes or its caller goes away.
class StorageClient final : public Storage {
 public:
  // For a request: `request` must outlive this.
  StorageClient(pb::Storage::StubInterface* stub, const grpc::ServerContext* request)
      : stub_(stub), request_(request) {}
  // For what no request caused: each call may take `limit`.
  StorageClient(pb::Storage::StubInterface* stub, absl::Duration limit)
      : stub_(stub), limit_(limit) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) override;
  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) override;

 private:
  std::unique_ptr<grpc::ClientContext> NewContext() const;

  pb::Storage::StubInterface* const stub_;
  const grpc::ServerContext* const request_ = nullptr;
  const absl::Duration limit_ = absl::ZeroDuration();
};

}  // namespace belfry::internal
