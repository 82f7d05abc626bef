#pragma once

#include <memory>
#include <string_view>

#include "absl/time/time.h"
#include "belfry/storage.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"
#include "sdk/src/host_storage.h"

namespace belfry::internal {

// The mount's storage, behind its host's pb.Storage (plugin-protocol 5.8) and, for batches,
// belfry.v1.Storage, or, for good once the host has answered UNIMPLEMENTED, one by one.
//
// Threads: safe. Errors: as Storage says; the host's own words are kept. A call made for a request
// ends when the request's deadline passes or its caller goes away.
class StorageClient final : public Storage {
 public:
  // For a request to `path`, which the host has given an id: all must outlive this.
  StorageClient(HostStorage* host, const grpc::ServerContext* request, std::string_view path,
                std::string_view id)
      : host_(host), request_(request), path_(path), id_(id) {}
  // For what no request caused: each call may take `limit`.
  StorageClient(HostStorage* host, absl::Duration limit) : host_(host), limit_(limit) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) override;
  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::Status Apply(const StorageBatch& batch) override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) override;

 private:
  std::unique_ptr<grpc::ClientContext> NewContext() const;
  // The same for a read, by which the host learns which requests read much.
  std::unique_ptr<grpc::ClientContext> NewReadContext() const;
  // The same for what stores something, by which the host learns for which request.
  std::unique_ptr<grpc::ClientContext> NewWriteContext() const;
  absl::Status ApplyOneByOne(const StorageBatch& batch);

  HostStorage* const host_;
  const grpc::ServerContext* const request_ = nullptr;
  const std::string_view path_;
  const std::string_view id_;
  const absl::Duration limit_ = absl::ZeroDuration();
};

}  // namespace belfry::internal
