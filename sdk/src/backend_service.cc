#include "sdk/src/backend_service.h"

#include <utility>

#include "base/text.h"
#include "sdk/src/grpc_status.h"
#include "sdk/src/translation.h"
#include "sdk/wire/handshake.h"

namespace belfry::internal {
namespace {

// Of TypeReply. (plugin-protocol 5.7)
constexpr std::uint32_t kSecretsType = 1;
constexpr std::uint32_t kAuthType = 2;

}  // namespace

absl::StatusOr<std::string> MountInstances::IdOf(const grpc::ServerContext& context) const {
  if (mounts_ == MountsPerProcess::kOne) return std::string();
  if (context.client_metadata().empty()) {
    return absl::UnknownError("missing plugin multiplexing metadata");
  }
  const auto [begin, end] = context.client_metadata().equal_range(wire::kMultiplexIdMetadata);
  const auto count = std::distance(begin, end);
  if (count == 0) return absl::UnknownError("no multiplexing ID found");
  if (count > 1) {
    return absl::UnknownError(
        Concat({"unexpected number of IDs in metadata: (", std::to_string(count), ")"}));
  }
  if (begin->second.empty()) return absl::UnknownError("empty multiplex ID in metadata");
  return std::string(begin->second.data(), begin->second.size());
}

void MountInstances::Set(const std::string& id, InstancePtr instance) {
  MutexLock lock(&mutex_);
  // The old one, if there is one, goes when the lock is free again.
  instances_[id].swap(instance);
}

MountInstances::InstancePtr MountInstances::Remove(const std::string& id) {
  MutexLock lock(&mutex_);
  auto node = instances_.extract(id);
  return node ? std::move(node.mapped()) : nullptr;
}

absl::StatusOr<MountInstances::InstancePtr> MountInstances::Find(
    const grpc::ServerContext& context) const {
  const absl::StatusOr<std::string> id = IdOf(context);
  if (!id.ok()) return id.status();
  MutexLock lock(&mutex_);
  const auto found = instances_.find(*id);
  if (found == instances_.end()) return absl::UnknownError("no backend instance found");
  return found->second;
}

std::map<std::string, MountInstances::InstancePtr> MountInstances::RemoveAll() {
  MutexLock lock(&mutex_);
  return std::exchange(instances_, {});
}

absl::StatusOr<MountInstances::InstancePtr> BackendService::FindActive(
    const grpc::ServerContext& context) const {
  if (use_.metadata_mode) {
    return absl::UnknownError("plugin server can not perform action while in metadata mode");
  }
  return use_.instances->Find(context);
}

grpc::Status BackendService::Setup(grpc::ServerContext* context, const pb::SetupArgs* arguments,
                                   pb::SetupReply* reply) {
  const absl::StatusOr<std::string> id = use_.instances->IdOf(*context);
  if (!id.ok()) return ToGrpc(id.status());
  const absl::StatusOr<HostAddress> host = use_.broker->Take(arguments->broker_id());
  if (!host.ok()) return ToGrpc(host.status());
  MountInstance::Mount mount{{arguments->config().begin(), arguments->config().end()},
                             arguments->backenduuid()};
  auto instance = MountInstance::Create(use_.engine, std::move(mount),
                                        wire::Connect(host->network, host->address, use_.trust));
  if (instance.ok()) {
    use_.instances->Set(*id, *std::move(instance));
  } else {
    reply->set_err(std::string(instance.status().message()));
  }
  return grpc::Status::OK;
}

grpc::Status BackendService::Initialize(grpc::ServerContext* context, const pb::InitializeArgs*,
                                        pb::InitializeReply* reply) {
  const auto instance = FindActive(*context);
  if (!instance.ok()) return ToGrpc(instance.status());
  const absl::Status status = (*instance)->Initialize();
  if (!status.ok()) ToProto(status, *reply->mutable_err());
  return grpc::Status::OK;
}

grpc::Status BackendService::HandleRequest(grpc::ServerContext* context,
                                           const pb::HandleRequestArgs* arguments,
                                           pb::HandleRequestReply* reply) {
  const auto instance = FindActive(*context);
  if (!instance.ok()) return ToGrpc(instance.status());
  *reply = (*instance)->Handle(*context, arguments->request());
  return grpc::Status::OK;
}

grpc::Status BackendService::HandleExistenceCheck(grpc::ServerContext* context,
                                                  const pb::HandleExistenceCheckArgs* arguments,
                                                  pb::HandleExistenceCheckReply* reply) {
  const auto instance = FindActive(*context);
  if (!instance.ok()) return ToGrpc(instance.status());
  *reply = (*instance)->CheckExistence(*context, arguments->request());
  return grpc::Status::OK;
}

grpc::Status WriteService::Write(grpc::ServerContext* context,
                                 const pb::HandleRequestArgs* arguments, v1::WriteReply* reply) {
  const auto instance = backend_->FindActive(*context);
  if (!instance.ok()) return ToGrpc(instance.status());
  if (arguments->request().operation() != "update")
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a write is an update");
  *reply = (*instance)->Write(*context, arguments->request());
  return grpc::Status::OK;
}

grpc::Status BackendService::SpecialPaths(grpc::ServerContext* context, const pb::Empty*,
                                          pb::SpecialPathsReply* reply) {
  const auto instance = use_.instances->Find(*context);
  if (!instance.ok()) return ToGrpc(instance.status());
  *reply = ToReply((*instance)->engine().special_paths());
  return grpc::Status::OK;
}

grpc::Status BackendService::Type(grpc::ServerContext* context, const pb::Empty*,
                                  pb::TypeReply* reply) {
  const auto instance = use_.instances->Find(*context);
  if (!instance.ok()) return ToGrpc(instance.status());
  reply->set_type(use_.engine.kind == EngineKind::kAuth ? kAuthType : kSecretsType);
  return grpc::Status::OK;
}

grpc::Status BackendService::InvalidateKey(grpc::ServerContext* context,
                                           const pb::InvalidateKeyArgs* arguments, pb::Empty*) {
  const auto instance = FindActive(*context);
  if (!instance.ok()) return ToGrpc(instance.status());
  (*instance)->engine().Invalidate(arguments->key());
  return grpc::Status::OK;
}

grpc::Status BackendService::Cleanup(grpc::ServerContext* context, const pb::Empty*, pb::Empty*) {
  const absl::StatusOr<std::string> id = use_.instances->IdOf(*context);
  if (!id.ok()) return ToGrpc(id.status());
  const MountInstances::InstancePtr instance = use_.instances->Remove(*id);
  if (!instance) return grpc::Status(grpc::StatusCode::UNKNOWN, "no backend instance found");
  instance->Cleanup();
  return grpc::Status::OK;
}

grpc::Status VersionService::Version(grpc::ServerContext* context, const logical::Empty*,
                                     logical::VersionReply* reply) {
  const auto instance = instances_->Find(*context);
  if (!instance.ok()) return ToGrpc(instance.status());
  reply->set_plugin_version(version_);
  return grpc::Status::OK;
}

}  // namespace belfry::internal
