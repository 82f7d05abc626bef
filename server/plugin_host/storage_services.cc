#include "server/plugin_host/storage_services.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event_rules.h"
#include "base/text.h"
#include "proto/belfry/v1/storage.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/wire/handshake.h"
#include "server/plugin_host/unary_call.h"

namespace belfry::plugin_host {
namespace {

using grpc::Status;
using grpc::StatusCode;

constexpr char kMissingStorage[] =
    "missing storage implementation: this method should not be called during plugin Setup, but "
    "only during and after Initialize";

// What a name in a list costs storage, plugin and host on its way to a client, as bytes of a value
// that cost as much.
constexpr std::size_t kBytesOfAName = 512;

std::string Text(const absl::Status& status) {
  return std::string(ToStd(status.message()));
}

// While a plugin is registered, it has no storage. (plugin-protocol 5.8)
Status MissingStorage() {
  return {StatusCode::UNKNOWN, kMissingStorage};
}

Counter& CallsOf(Metrics* metrics, const char* method) {
  return metrics->GetCounter("belfry_storage_calls_total",
                             "Calls of plugins to their mounts' storage, by method.",
                             {{"method", method}});
}

storage::Operation ToOperation(const v1::StorageOperation& operation) {
  if (operation.has_put()) return {.key = operation.put().key(), .value = operation.put().value()};
  return {.key = operation.delete_(), .value = std::nullopt};
}

// What is being stored for a request, where the plugin says for which.
class Storing {
 public:
  Storing(const MountServices& services, const grpc::CallbackServerContext& context)
      : requests_(services.stored_requests) {
    const auto id = context.client_metadata().find(wire::kRequestIdMetadata);
    if (requests_ == nullptr || id == context.client_metadata().end()) return;
    id_.assign(id->second.data(), id->second.size());
    requests_->Begin(id_);
  }

  void End(const absl::Status& committed) const {
    if (!committed.ok() && !id_.empty()) requests_->Fail(id_);
  }

 private:
  std::shared_ptr<StoredRequests> requests_;
  std::string id_;
};

// Errors travel as texts beside an OK status, and plugins compare them.
class StorageService final : public pb::Storage::CallbackService {
 public:
  StorageService(const GuardedStorage* guarded, const MountServices* services)
      : guarded_(guarded),
        services_(services),
        gets_(CallsOf(services->metrics, "get")),
        puts_(CallsOf(services->metrics, "put")),
        deletes_(CallsOf(services->metrics, "delete")),
        lists_(CallsOf(services->metrics, "list")) {}

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const pb::StorageGetArgs* args,
                                pb::StorageGetReply* reply) override {
    gets_.Increment();
    if (guarded_->storage() == nullptr) return Finish(context, MissingStorage());
    absl::StatusOr<std::optional<std::string>> value = guarded_->storage()->Get(args->key());
    if (!value.ok()) {
      reply->set_err(Text(value.status()));
    } else if (*value) {
      NoteRead(*context, (*value)->size());
      reply->mutable_entry()->set_key(args->key());
      reply->mutable_entry()->set_value(**std::move(value));
    }
    return Finish(context);
  }

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context,
                                const pb::StoragePutArgs* args,
                                pb::StoragePutReply* reply) override {
    puts_.Increment();
    storage::WriteBatch batch;
    batch.Put(args->entry().key(), args->entry().value());
    return Commit(context, std::move(batch), reply);
  }

  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const pb::StorageDeleteArgs* args,
                                   pb::StorageDeleteReply* reply) override {
    deletes_.Increment();
    storage::WriteBatch batch;
    batch.Delete(args->key());
    return Commit(context, std::move(batch), reply);
  }

  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const pb::StorageListArgs* args,
                                 pb::StorageListReply* reply) override {
    lists_.Increment();
    if (guarded_->storage() == nullptr) return Finish(context, MissingStorage());
    const absl::StatusOr<std::vector<std::string>> keys = guarded_->storage()->List(args->prefix());
    if (!keys.ok()) {
      reply->set_err(Text(keys.status()));
    } else {
      NoteRead(*context, keys->size() * kBytesOfAName);
      for (const std::string& key : *keys) reply->add_keys(key);
    }
    return Finish(context);
  }

 private:
  // So that requests of which one has read much take turns before they are sent to the plugin.
  void NoteRead(const grpc::CallbackServerContext& context, std::size_t bytes) const {
    if (services_->large_paths == nullptr) return;
    const auto path = context.client_metadata().find(wire::kRequestPathMetadata);
    if (path == context.client_metadata().end()) return;
    services_->large_paths->Note({path->second.data(), path->second.size()}, bytes);
  }

  template <typename Reply>
  grpc::ServerUnaryReactor* Commit(grpc::CallbackServerContext* context, storage::WriteBatch batch,
                                   Reply* reply) {
    if (guarded_->storage() == nullptr) return Finish(context, MissingStorage());
    GuardedStorage::Permit permit(guarded_);
    if (!permit) {
      reply->set_err(wire::kSetupReadOnlyText);
      permit.End();
      return Finish(context);
    }
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    guarded_->storage()->Commit(std::move(batch), [reactor, reply, permit = std::move(permit),
                                                   storing = Storing(*services_, *context)](
                                                      const absl::Status& committed) mutable {
      storing.End(committed);
      if (!committed.ok()) reply->set_err(Text(committed));
      permit.End();
      reactor->Finish(Status::OK);
    });
    return reactor;
  }

  const GuardedStorage* const guarded_;
  const MountServices* const services_;
  Counter& gets_;
  Counter& puts_;
  Counter& deletes_;
  Counter& lists_;
};

class BatchService final : public v1::Storage::CallbackService {
 public:
  BatchService(const GuardedStorage* guarded, const EventIntake* intake,
               const MountServices* services)
      : guarded_(guarded),
        intake_(intake),
        services_(services),
        batches_(CallsOf(services->metrics, "apply")) {}

  grpc::ServerUnaryReactor* Apply(grpc::CallbackServerContext* context,
                                  const v1::ApplyRequest* request, v1::ApplyReply* reply) override {
    batches_.Increment();
    GuardedStorage::Permit permit(guarded_);
    absl::StatusOr<storage::WriteBatch> batch = BatchOf(*request, static_cast<bool>(permit));
    if (!batch.ok()) {
      permit.End();
      return Finish(context, ToGrpc(batch.status()));
    }
    batch->events = EventsOf(*request, reply);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    guarded_->storage()->Commit(*std::move(batch), [reactor, permit = std::move(permit),
                                                    storing = Storing(*services_, *context)](
                                                       const absl::Status& committed) mutable {
      storing.End(committed);
      permit.End();
      reactor->Finish(ToGrpc(committed));
    });
    return reactor;
  }

 private:
  absl::StatusOr<storage::WriteBatch> BatchOf(const v1::ApplyRequest& request,
                                              bool permitted) const {
    if (guarded_->storage() == nullptr) return absl::UnknownError(kMissingStorage);
    if (!permitted) return absl::FailedPreconditionError(wire::kSetupReadOnlyText);
    absl::Status too_many = CheckBatchSize(static_cast<std::size_t>(request.operations_size()),
                                           static_cast<std::size_t>(request.events_size()));
    if (!too_many.ok()) return too_many;
    storage::WriteBatch batch;
    batch.operations.reserve(request.operations_size());
    for (const v1::StorageOperation& operation : request.operations()) {
      if (operation.kind_case() == v1::StorageOperation::KIND_NOT_SET)
        return absl::InvalidArgumentError("an operation of the batch is missing");
      batch.operations.push_back(ToOperation(operation));
    }
    return batch;
  }

  std::vector<storage::AcceptedEvent> EventsOf(const v1::ApplyRequest& request,
                                               v1::ApplyReply* reply) const {
    std::vector<std::string> sent;
    sent.reserve(request.events_size());
    for (const logical::EventReceived& event : request.events())
      sent.push_back(event.SerializeAsString());
    return intake_->Accept({sent.begin(), sent.end()}, reply->mutable_rejected());
  }

  const GuardedStorage* const guarded_;
  const EventIntake* const intake_;
  const MountServices* const services_;
  Counter& batches_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewStorageService(const GuardedStorage* guarded,
                                                 const MountServices* services) {
  return std::make_unique<StorageService>(guarded, services);
}

std::unique_ptr<grpc::Service> NewBatchService(const GuardedStorage* guarded,
                                               const EventIntake* intake,
                                               const MountServices* services) {
  return std::make_unique<BatchService>(guarded, intake, services);
}

}  // namespace belfry::plugin_host
