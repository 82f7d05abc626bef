#include "sdk/src/mount_instance.h"

#include <utility>

#include "absl/time/clock.h"
#include "sdk/src/translation.h"
#include "server/base/text.h"

namespace belfry::internal {
namespace {

constexpr absl::Duration kHookCallLimit = absl::Seconds(60);
constexpr absl::Duration kEventLimit = absl::Seconds(30);

absl::Time DeadlineOf(const grpc::ServerContext& context) {
  const auto deadline = context.deadline();
  return deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture()
                                                                  : absl::FromChrono(deadline);
}

OutgoingReply Refuse(const absl::Status& status) {
  return {.error = OutgoingError{ErrorType::kInvalidRequest, std::string(status.message())}};
}

}  // namespace

MountInstance::MountInstance(std::shared_ptr<grpc::Channel> channel, const PluginLog* log)
    : event_stream_(channel, kEventLimit),
      events_(&event_stream_, log),
      storage_(channel, &events_),
      hook_storage_(&storage_, kHookCallLimit) {}

absl::StatusOr<std::shared_ptr<MountInstance>> MountInstance::Create(
    void (*define)(SecretsEngine&), Mount mount, std::shared_ptr<grpc::Channel> channel,
    const PluginLog* log) {
  // Shared: requests that run hold it when Cleanup lets go of it.
  std::shared_ptr<MountInstance> instance(new MountInstance(std::move(channel), log));
  MountContext context{.options = std::move(mount.options),
                       .backend_uuid = std::move(mount.backend_uuid),
                       .storage = &instance->hook_storage_,
                       .events = &instance->events_,
                       .now = [] { return absl::Now(); }};
  auto engine = EngineInstance::Create(define, std::move(context));
  if (!engine.ok()) return engine.status();
  instance->engine_ = *std::move(engine);
  instance->background_ = std::make_unique<BackgroundThread>(instance->engine_.get(), log);
  return instance;
}

absl::Status MountInstance::Initialize() {
  const absl::Status status = engine_->Initialize();
  MutexLock lock(&mutex_);
  if (status.ok()) background_->Start();
  return status;
}

void MountInstance::Cleanup() {
  {
    MutexLock lock(&mutex_);
    background_->Stop();
  }
  engine_->Cleanup();
}

IncomingRequest MountInstance::Bound(IncomingRequest incoming, const grpc::ServerContext& context,
                                     StorageClient& storage) {
  incoming.deadline = DeadlineOf(context);
  incoming.cancelled = [&context] { return context.IsCancelled(); };
  incoming.storage = &storage;
  incoming.events = &events_;
  return incoming;
}

pb::HandleRequestReply MountInstance::Handle(const grpc::ServerContext& context,
                                             const pb::Request& request) {
  absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  if (!incoming.ok()) return ToReply(Refuse(incoming.status()), request, absl::Now());
  StorageClient storage(&storage_, &context);
  const OutgoingReply reply = engine_->Handle(Bound(*std::move(incoming), context, storage));
  return ToReply(reply, request, absl::Now());
}

v1::WriteReply MountInstance::Write(const grpc::ServerContext& context,
                                    const pb::Request& request) {
  v1::WriteReply reply;
  absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  if (!incoming.ok()) {
    ToProto(incoming.status(), *reply.mutable_existence_error());
    return reply;
  }
  StorageClient storage(&storage_, &context);
  const absl::StatusOr<OutgoingReply> outgoing =
      engine_->Write(Bound(*std::move(incoming), context, storage));
  if (outgoing.ok()) {
    *reply.mutable_reply() = ToReply(*outgoing, request, absl::Now());
  } else {
    ToProto(outgoing.status(), *reply.mutable_existence_error());
  }
  return reply;
}

pb::HandleExistenceCheckReply MountInstance::CheckExistence(const grpc::ServerContext& context,
                                                            const pb::Request& request) {
  if (request.operation() != "create" && request.operation() != "update") {
    return ToReply(absl::UnknownError(ToAbsl(
        Concat({"incorrect operation type ", request.operation(), " for an existence check"}))));
  }
  absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  if (!incoming.ok()) return ToReply(incoming.status());
  StorageClient storage(&storage_, &context);
  return ToReply(engine_->CheckExistence(Bound(*std::move(incoming), context, storage)));
}

}  // namespace belfry::internal
