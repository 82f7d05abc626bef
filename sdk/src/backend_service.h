#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "belfry/log.h"
#include "belfry/serve.h"
#include "grpcpp/server_context.h"
#include "proto/belfry/v1/backend.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "proto/vault/version.grpc.pb.h"
#include "sdk/src/broker.h"
#include "sdk/src/mount_instance.h"
#include "sdk/wire/credentials.h"

namespace belfry::internal {

// Since protocol version 5 each call names its mount; before, a process has one mount and calls
// name none. (plugin-protocol 4.1, 4.2)
enum class MountsPerProcess { kOne, kMany };

// The mounts that live in this process, by the id their host gave them. (plugin-protocol 4.2)
// Threads: safe. The texts of its errors are what hosts know.
class MountInstances final {
 public:
  using InstancePtr = std::shared_ptr<MountInstance>;  // Shared with the requests that run on it.

  explicit MountInstances(MountsPerProcess mounts) : mounts_(mounts) {}

  void Set(const std::string& id, InstancePtr instance);
  // Null when there was none.
  InstancePtr Remove(const std::string& id);
  // Unknown, also when the call's metadata does not name exactly one mount.
  absl::StatusOr<InstancePtr> Find(const grpc::ServerContext& context) const;
  std::map<std::string, InstancePtr> RemoveAll();

  // Empty, whatever the call says, where there is one mount only.
  absl::StatusOr<std::string> IdOf(const grpc::ServerContext& context) const;

 private:
  const MountsPerProcess mounts_;
  mutable Mutex mutex_;
  std::map<std::string, InstancePtr> instances_ ABSL_GUARDED_BY(mutex_);
};

// pb.Backend: what a host asks of a mount. (plugin-protocol 5.7)
// Threads: gRPC's, several at once; Setup may wait for the broker's announcement.
class BackendService final : public pb::Backend::Service {
 public:
  struct Dependencies {
    MountInstance::Engine engine;
    std::optional<wire::Trust> trust;
    // A host that only asks what the plugin is may run it so: nothing that acts is answered.
    bool metadata_mode = false;
    // All must outlive the service.
    Broker* broker = nullptr;
    MountInstances* instances = nullptr;
  };
  explicit BackendService(Dependencies dependencies) : use_(std::move(dependencies)) {}

  grpc::Status Setup(grpc::ServerContext*, const pb::SetupArgs*, pb::SetupReply*) override;
  grpc::Status Initialize(grpc::ServerContext*, const pb::InitializeArgs*,
                          pb::InitializeReply*) override;
  grpc::Status HandleRequest(grpc::ServerContext*, const pb::HandleRequestArgs*,
                             pb::HandleRequestReply*) override;
  grpc::Status HandleExistenceCheck(grpc::ServerContext*, const pb::HandleExistenceCheckArgs*,
                                    pb::HandleExistenceCheckReply*) override;
  grpc::Status SpecialPaths(grpc::ServerContext*, const pb::Empty*,
                            pb::SpecialPathsReply*) override;
  grpc::Status Type(grpc::ServerContext*, const pb::Empty*, pb::TypeReply*) override;
  grpc::Status InvalidateKey(grpc::ServerContext*, const pb::InvalidateKeyArgs*,
                             pb::Empty*) override;
  grpc::Status Cleanup(grpc::ServerContext*, const pb::Empty*, pb::Empty*) override;

  // The mount of a call that acts. Errors as of MountInstances::Find.
  absl::StatusOr<MountInstances::InstancePtr> FindActive(const grpc::ServerContext& context) const;

 private:
  const Dependencies use_;
};

// belfry.v1.Backend. Threads: as BackendService.
class WriteService final : public v1::Backend::Service {
 public:
  // `backend` must outlive the service.
  explicit WriteService(const BackendService* backend) : backend_(backend) {}
  grpc::Status Write(grpc::ServerContext*, const pb::HandleRequestArgs*, v1::WriteReply*) override;

 private:
  const BackendService* const backend_;
};

// logical.PluginVersion. (plugin-protocol 4.3)
class VersionService final : public logical::PluginVersion::Service {
 public:
  VersionService(std::string_view version, const MountInstances* instances)
      : version_(version), instances_(instances) {}
  grpc::Status Version(grpc::ServerContext*, const logical::Empty*,
                       logical::VersionReply*) override;

 private:
  const std::string version_;
  const MountInstances* const instances_;
};

}  // namespace belfry::internal
