#include "sdk/src/storage_client.h"

#include "base/ids.h"
#include "sdk/src/event_encoding.h"
#include "sdk/src/grpc_status.h"
#include "sdk/src/reserved_keys.h"
#include "sdk/wire/deadline.h"
#include "sdk/wire/handshake.h"

namespace belfry::internal {
namespace {

// Longer than any that a host sends; its limit for metadata allows for it.
constexpr std::size_t kMaxPathInMetadata = 8 * 1024;
// Twice as long as those of Vault and Belfry.
constexpr std::size_t kMaxIdInMetadata = 72;

// What the host says in `err`, with gRPC status OK: its texts are the protocol.
// (plugin-protocol 5.8)
absl::Status FromText(const std::string& text) {
  if (text.empty()) return absl::OkStatus();
  const auto contains = [&text](std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  if (contains(wire::kSetupReadOnlyText) || contains(wire::kReadOnlyText)) {
    return absl::FailedPreconditionError(text);
  }
  if (contains("relative paths not supported")) return absl::InvalidArgumentError(text);
  return absl::InternalError(text);
}

v1::ApplyRequest ToProto(const StorageBatch& batch, std::vector<const Event*>* sent,
                         MountEvents* events) {
  v1::ApplyRequest request;
  for (const StorageBatch::Operation& operation : batch.operations()) {
    v1::StorageOperation& added = *request.add_operations();
    if (!operation.value) {
      added.set_delete_(operation.key);
      continue;
    }
    added.mutable_put()->set_key(operation.key);
    added.mutable_put()->set_value(*operation.value);
  }
  EventFields fields;
  for (const Event& event : batch.events()) {
    if (absl::Status status = CompleteEvent(event, &fields); !status.ok()) {
      events->NoteFailure(event.type, status);
      continue;
    }
    internal::ToProto(event.type, NewUuid(), fields, request.add_events());
    sent->push_back(&event);
  }
  return request;
}

absl::Status Outcome(const grpc::Status& status, const std::string& error_text) {
  return status.ok() ? FromText(error_text) : FromGrpc(status);
}

}  // namespace

std::unique_ptr<grpc::ClientContext> StorageClient::NewContext() const {
  // Carries the request's deadline and its cancellation over to the call.
  if (request_ != nullptr) return grpc::ClientContext::FromServerContext(*request_);
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(wire::DeadlineAfter(limit_));
  return context;
}

std::unique_ptr<grpc::ClientContext> StorageClient::NewReadContext() const {
  auto context = NewContext();
  if (!path_.empty() && path_.size() <= kMaxPathInMetadata)
    context->AddMetadata(wire::kRequestPathMetadata, std::string(path_));
  return context;
}

std::unique_ptr<grpc::ClientContext> StorageClient::NewWriteContext() const {
  auto context = NewContext();
  if (!id_.empty() && id_.size() <= kMaxIdInMetadata)
    context->AddMetadata(wire::kRequestIdMetadata, std::string(id_));
  return context;
}

absl::StatusOr<std::optional<std::string>> StorageClient::Get(std::string_view key) {
  pb::StorageGetArgs arguments;
  arguments.set_key(std::string(key));
  pb::StorageGetReply reply;
  const auto context = NewReadContext();
  const grpc::Status status = host_->keys->Get(context.get(), arguments, &reply);
  if (absl::Status outcome = Outcome(status, reply.err()); !outcome.ok()) return outcome;
  if (!reply.has_entry()) return std::nullopt;
  return std::optional<std::string>(std::move(*reply.mutable_entry()->mutable_value()));
}

absl::Status StorageClient::Put(std::string_view key, std::string_view value) {
  pb::StoragePutArgs arguments;
  arguments.mutable_entry()->set_key(std::string(key));
  arguments.mutable_entry()->set_value(std::string(value));
  pb::StoragePutReply reply;
  const auto context = NewWriteContext();
  const grpc::Status status = host_->keys->Put(context.get(), arguments, &reply);
  return Outcome(status, reply.err());
}

absl::Status StorageClient::Delete(std::string_view key) {
  pb::StorageDeleteArgs arguments;
  arguments.set_key(std::string(key));
  pb::StorageDeleteReply reply;
  const auto context = NewWriteContext();
  const grpc::Status status = host_->keys->Delete(context.get(), arguments, &reply);
  return Outcome(status, reply.err());
}

absl::Status StorageClient::Apply(const StorageBatch& batch) {
  if (host_->one_by_one) return ApplyOneByOne(batch);
  // The events in it by their position in the batch: what is wrong with one is seen here.
  std::vector<const Event*> sent;
  v1::ApplyRequest request = ToProto(batch, &sent, host_->events);
  v1::ApplyReply reply;
  const auto context = NewWriteContext();
  const grpc::Status status = host_->batches->Apply(context.get(), request, &reply);
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    host_->one_by_one = true;
    return ApplyOneByOne(batch);
  }
  if (!status.ok()) return FromGrpc(status);
  for (const v1::RejectedEvent& rejected : reply.rejected()) {
    if (rejected.index() < sent.size())
      host_->events->NoteFailure(sent[rejected.index()]->type, ToStatus(rejected));
  }
  return absl::OkStatus();
}

absl::Status StorageClient::ApplyOneByOne(const StorageBatch& batch) {
  absl::Status deleted;
  for (const StorageBatch::Operation& operation : batch.operations()) {
    const absl::Status status =
        operation.value ? Put(operation.key, *operation.value) : Delete(operation.key);
    if (!status.ok() && (operation.value || &operation == &batch.operations().front())) {
      return status;
    }
    deleted.Update(status);
  }
  for (const Event& event : batch.events()) host_->events->SendOrLog(event.type, event.metadata);
  return deleted.ok() ? deleted : absl::AbortedError(deleted.message());
}

absl::StatusOr<std::vector<std::string>> StorageClient::List(std::string_view prefix) {
  pb::StorageListArgs arguments;
  arguments.set_prefix(std::string(prefix));
  pb::StorageListReply reply;
  const auto context = NewReadContext();
  const grpc::Status status = host_->keys->List(context.get(), arguments, &reply);
  if (absl::Status outcome = Outcome(status, reply.err()); !outcome.ok()) return outcome;
  std::vector<std::string> names(reply.keys().begin(), reply.keys().end());
  HideReserved(prefix, &names);
  return names;
}

}  // namespace belfry::internal
