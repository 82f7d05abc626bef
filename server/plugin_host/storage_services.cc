#include "server/plugin_host/storage_services.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "google/protobuf/arena.h"
#include "proto/belfry/v1/storage.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/wire/handshake.h"
#include "server/plugin_host/unary_call.h"

namespace belfry::plugin_host {
namespace {

using google::protobuf::Arena;
using grpc::Status;
using grpc::StatusCode;

constexpr char kMissingStorage[] =
    "missing storage implementation: this method should not be called during plugin Setup, but "
    "only during and after Initialize";

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
  if (operation.has_put())
    return {.key = operation.put().key(), .value = std::string_view(operation.put().value())};
  return {.key = operation.delete_(), .value = std::nullopt};
}

// Errors travel as texts beside an OK status, and plugins compare them.
class StorageService final : public pb::Storage::CallbackService {
 public:
  StorageService(const GuardedStorage* guarded, Metrics* metrics)
      : guarded_(guarded),
        gets_(CallsOf(metrics, "get")),
        puts_(CallsOf(metrics, "put")),
        deletes_(CallsOf(metrics, "delete")),
        lists_(CallsOf(metrics, "list")) {}

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                const pb::StorageGetArgs* args,
                                pb::StorageGetReply* reply) override {
    gets_.Increment();
    if (guarded_->storage() == nullptr) return Finish(context, MissingStorage());
    absl::StatusOr<std::optional<std::string>> value = guarded_->storage()->Get(args->key());
    if (!value.ok()) {
      reply->set_err(Text(value.status()));
    } else if (*value) {
      reply->mutable_entry()->set_key(args->key());
      reply->mutable_entry()->set_value(**std::move(value));
    }
    return Finish(context);
  }

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context,
                                const pb::StoragePutArgs* args,
                                pb::StoragePutReply* reply) override {
    puts_.Increment();
    if (guarded_->storage() == nullptr) return Finish(context, MissingStorage());
    const GuardedStorage::Write write(guarded_);
    if (!write) {
      reply->set_err(wire::kSetupReadOnlyText);
    } else if (absl::Status status =
                   guarded_->storage()->Put(args->entry().key(), args->entry().value());
               !status.ok()) {
      reply->set_err(Text(status));
    }
    return Finish(context);
  }

  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const pb::StorageDeleteArgs* args,
                                   pb::StorageDeleteReply* reply) override {
    deletes_.Increment();
    if (guarded_->storage() == nullptr) return Finish(context, MissingStorage());
    const GuardedStorage::Write write(guarded_);
    if (!write) {
      reply->set_err(wire::kSetupReadOnlyText);
    } else if (absl::Status status = guarded_->storage()->Delete(args->key()); !status.ok()) {
      reply->set_err(Text(status));
    }
    return Finish(context);
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
      for (const std::string& key : *keys) reply->add_keys(key);
    }
    return Finish(context);
  }

 private:
  const GuardedStorage* const guarded_;
  Counter& gets_;
  Counter& puts_;
  Counter& deletes_;
  Counter& lists_;
};

class BatchService final : public v1::Storage::CallbackService {
 public:
  BatchService(const GuardedStorage* guarded, const EventIntake* acceptor, const Limits* limits,
               Metrics* metrics)
      : guarded_(guarded),
        acceptor_(acceptor),
        limits_(limits),
        batches_(CallsOf(metrics, "apply")) {}

  grpc::ServerUnaryReactor* Apply(grpc::CallbackServerContext* context,
                                  const v1::ApplyRequest* request, v1::ApplyReply* reply) override {
    batches_.Increment();
    // Until the events are told, too: those of the next instance come after them.
    const GuardedStorage::Write write(guarded_);
    if (const absl::Status status = Store(*request, write); !status.ok())
      return Finish(context, {static_cast<StatusCode>(status.code()), Text(status)});
    if (request->events_size() > 0) PublishEvents(*request, reply);
    return Finish(context);
  }

 private:
  absl::Status Store(const v1::ApplyRequest& request, const GuardedStorage::Write& write) const {
    if (guarded_->storage() == nullptr) return absl::UnknownError(kMissingStorage);
    if (!write) return absl::FailedPreconditionError(wire::kSetupReadOnlyText);
    if (static_cast<std::size_t>(request.operations_size()) > limits_->max_operations_per_batch ||
        static_cast<std::size_t>(request.events_size()) > limits_->max_events_per_batch) {
      return absl::ResourceExhaustedError(
          Concat({"a batch may have ", std::to_string(limits_->max_operations_per_batch),
                  " operations and ", std::to_string(limits_->max_events_per_batch), " events"}));
    }
    std::vector<storage::Operation> operations;
    operations.reserve(request.operations_size());
    for (const v1::StorageOperation& operation : request.operations()) {
      if (operation.kind_case() == v1::StorageOperation::KIND_NOT_SET)
        return absl::InvalidArgumentError("an operation of the batch is missing");
      operations.push_back(ToOperation(operation));
    }
    return guarded_->storage()->Apply(operations);
  }

  void PublishEvents(const v1::ApplyRequest& request, v1::ApplyReply* reply) const {
    Arena arena;
    std::vector<SentEvent> events;
    for (const logical::EventReceived& sent : request.events()) {
      auto* const event = Arena::CreateMessage<logical::EventReceived>(&arena);
      *event = sent;
      events.push_back({.event = event, .bytes = sent.ByteSizeLong()});
    }
    acceptor_->Accept(events, &arena, reply->mutable_rejected());
  }

  const GuardedStorage* const guarded_;
  const EventIntake* const acceptor_;
  const Limits* const limits_;
  Counter& batches_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewStorageService(const GuardedStorage* guarded, Metrics* metrics) {
  return std::make_unique<StorageService>(guarded, metrics);
}

std::unique_ptr<grpc::Service> NewBatchService(const GuardedStorage* guarded,
                                               const EventIntake* acceptor, const Limits* limits,
                                               Metrics* metrics) {
  return std::make_unique<BatchService>(guarded, acceptor, limits, metrics);
}

}  // namespace belfry::plugin_host
