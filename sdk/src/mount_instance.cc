#include "sdk/src/mount_instance.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/text.h"
#include "sdk/src/translation.h"

namespace belfry::internal {
namespace {

constexpr absl::Duration kHookCallLimit = absl::Seconds(60);
constexpr absl::Duration kEventLimit = absl::Seconds(30);

absl::Duration TimeLeft(const grpc::ServerContext& context) {
  const auto deadline = context.deadline();
  return deadline == std::chrono::system_clock::time_point::max()
             ? absl::InfiniteDuration()
             : absl::FromChrono(deadline - std::chrono::system_clock::now());
}

OutgoingReply Refuse(const absl::Status& status) {
  return {.error = OutgoingError{ErrorType::kInvalidRequest, std::string(status.message())}};
}

}  // namespace

MountInstance::MountInstance(std::shared_ptr<grpc::Channel> channel, const Log* log,
                             std::function<absl::Time()> now)
    : now_(std::move(now)),
      event_stream_(channel, kEventLimit),
      events_(&event_stream_, log),
      storage_(channel, &events_),
      hook_storage_(&storage_, kHookCallLimit),
      system_view_(channel) {}

absl::StatusOr<std::shared_ptr<MountInstance>> MountInstance::Create(
    const Engine& engine, Mount mount, std::shared_ptr<grpc::Channel> channel) {
  // Shared: requests that run hold it when Cleanup lets go of it.
  std::shared_ptr<MountInstance> instance(
      new MountInstance(std::move(channel), engine.log, engine.now));
  MountContext context{.options = std::move(mount.options),
                       .backend_uuid = std::move(mount.backend_uuid),
                       .storage = &instance->hook_storage_,
                       .events = &instance->events_,
                       .now = engine.now,
                       .log = engine.log,
                       .kind = engine.kind,
                       .ttls = [mount = instance.get()] { return mount->system_view_.Ttls(); }};
  auto created = EngineInstance::Create(engine.define, std::move(context));
  if (!created.ok()) return created.status();
  instance->engine_ = *std::move(created);
  instance->background_ = std::make_unique<BackgroundThread>(instance->engine_.get(), engine.log);
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
  incoming.deadline = now_() + TimeLeft(context);
  incoming.cancelled = [&context] { return context.IsCancelled(); };
  incoming.storage = &storage;
  incoming.events = &events_;
  return incoming;
}

pb::HandleRequestReply MountInstance::Handle(const grpc::ServerContext& context,
                                             const pb::Request& request) {
  absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  if (!incoming.ok()) return ToReply(Refuse(incoming.status()), request, now_());
  StorageClient storage(&storage_, &context, request.path(), request.id());
  const OutgoingReply reply = engine_->Handle(Bound(*std::move(incoming), context, storage));
  return ToReply(reply, request, now_());
}

v1::WriteReply MountInstance::Write(const grpc::ServerContext& context,
                                    const pb::Request& request) {
  v1::WriteReply reply;
  absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  if (!incoming.ok()) {
    ToProto(incoming.status(), *reply.mutable_existence_error());
    return reply;
  }
  StorageClient storage(&storage_, &context, request.path(), request.id());
  const absl::StatusOr<OutgoingReply> outgoing =
      engine_->Write(Bound(*std::move(incoming), context, storage));
  if (outgoing.ok()) {
    *reply.mutable_reply() = ToReply(*outgoing, request, now_());
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
  StorageClient storage(&storage_, &context, request.path(), request.id());
  return ToReply(engine_->CheckExistence(Bound(*std::move(incoming), context, storage)));
}

}  // namespace belfry::internal
