#include "server/plugin_host/host_services.h"

#include <unistd.h>

#include <chrono>
#include <utility>
#include <vector>

#include "google/protobuf/arena.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/wire/handshake.h"
#include "server/base/text.h"
#include "server/plugin_host/event_acceptance.h"

namespace belfry::plugin_host {
namespace {

using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;

// Primary without replication: performance and disaster recovery both disabled.
// (plugin-protocol 5.9)
constexpr int kReplicationDisabled = 4096 + 8192;

std::string Text(const absl::Status& status) {
  return std::string(ToStd(status.message()));
}

// While a plugin is registered, it has no storage. (plugin-protocol 5.8)
Status MissingStorage() {
  return {StatusCode::UNKNOWN,
          "missing storage implementation: this method should not be called during plugin Setup, "
          "but only during and after Initialize"};
}

// Errors travel as texts beside an OK status, and plugins compare them.
class StorageService final : public pb::Storage::Service {
 public:
  explicit StorageService(storage::Storage* storage) : storage_(storage) {}
  void AllowWrites() { writable_ = true; }

  Status Get(ServerContext*, const pb::StorageGetArgs* args, pb::StorageGetReply* reply) override {
    if (storage_ == nullptr) return MissingStorage();
    absl::StatusOr<std::optional<std::string>> value = storage_->Get(args->key());
    if (!value.ok()) {
      reply->set_err(Text(value.status()));
    } else if (*value) {
      reply->mutable_entry()->set_key(args->key());
      reply->mutable_entry()->set_value(**std::move(value));
    }
    return Status::OK;
  }
  Status Put(ServerContext*, const pb::StoragePutArgs* args, pb::StoragePutReply* reply) override {
    if (storage_ == nullptr) return MissingStorage();
    if (!writable_) {
      reply->set_err(wire::kSetupReadOnlyText);
    } else if (absl::Status status = storage_->Put(args->entry().key(), args->entry().value());
               !status.ok()) {
      reply->set_err(Text(status));
    }
    return Status::OK;
  }
  Status Delete(ServerContext*, const pb::StorageDeleteArgs* args,
                pb::StorageDeleteReply* reply) override {
    if (storage_ == nullptr) return MissingStorage();
    if (!writable_) {
      reply->set_err(wire::kSetupReadOnlyText);
    } else if (absl::Status status = storage_->Delete(args->key()); !status.ok()) {
      reply->set_err(Text(status));
    }
    return Status::OK;
  }
  Status List(ServerContext*, const pb::StorageListArgs* args,
              pb::StorageListReply* reply) override {
    if (storage_ == nullptr) return MissingStorage();
    const absl::StatusOr<std::vector<std::string>> keys = storage_->List(args->prefix());
    if (!keys.ok()) {
      reply->set_err(Text(keys.status()));
    } else {
      for (const std::string& key : *keys) reply->add_keys(key);
    }
    return Status::OK;
  }

 private:
  storage::Storage* const storage_;
  std::atomic<bool> writable_ = false;
};

// What a plugin may know of its host. What Belfry does not have is answered like a Vault without
// Enterprise. (plugin-protocol 5.9)
class SystemViewService final : public pb::SystemView::Service {
 public:
  explicit SystemViewService(const MountServices* services) : services_(services) {}

  Status DefaultLeaseTTL(ServerContext*, const pb::Empty*, pb::TTLReply* reply) override {
    reply->set_ttl(absl::ToInt64Nanoseconds(services_->default_lease_ttl));
    return Status::OK;
  }
  Status MaxLeaseTTL(ServerContext*, const pb::Empty*, pb::TTLReply* reply) override {
    reply->set_ttl(absl::ToInt64Nanoseconds(services_->max_lease_ttl));
    return Status::OK;
  }
  Status Tainted(ServerContext*, const pb::Empty*, pb::TaintedReply*) override {
    return Status::OK;
  }
  Status CachingDisabled(ServerContext*, const pb::Empty*,
                         pb::CachingDisabledReply* reply) override {
    reply->set_disabled(services_->caching_disabled);
    return Status::OK;
  }
  Status ReplicationState(ServerContext*, const pb::Empty*,
                          pb::ReplicationStateReply* reply) override {
    reply->set_state(kReplicationDisabled);
    return Status::OK;
  }
  Status ResponseWrapData(ServerContext*, const pb::ResponseWrapDataArgs*,
                          pb::ResponseWrapDataReply* reply) override {
    reply->set_err("response wrapping is not supported by this host");
    return Status::OK;
  }
  Status MlockEnabled(ServerContext*, const pb::Empty*, pb::MlockEnabledReply*) override {
    return Status::OK;
  }
  Status LocalMount(ServerContext*, const pb::Empty*, pb::LocalMountReply* reply) override {
    reply->set_local(services_->local);
    return Status::OK;
  }
  // There are no entities: every id is unknown, which is no error.
  Status EntityInfo(ServerContext*, const pb::EntityInfoArgs*, pb::EntityInfoReply*) override {
    return Status::OK;
  }
  Status GroupsForEntity(ServerContext*, const pb::EntityInfoArgs*,
                         pb::GroupsForEntityReply*) override {
    return Status::OK;
  }
  Status PluginEnv(ServerContext*, const pb::Empty*, pb::PluginEnvReply* reply) override {
    reply->mutable_plugin_environment()->set_vault_version(services_->vault_version);
    return Status::OK;
  }
  Status GeneratePasswordFromPolicy(ServerContext*,
                                    const pb::GeneratePasswordFromPolicyRequest* request,
                                    pb::GeneratePasswordFromPolicyReply*) override {
    if (request->policy_name().empty())
      return {StatusCode::INVALID_ARGUMENT, "no password policy specified"};
    return {StatusCode::INTERNAL, "failed to generate password"};
  }
  Status ClusterInfo(ServerContext*, const pb::Empty*, pb::ClusterInfoReply*) override {
    return {StatusCode::INTERNAL, "failed to fetch cluster id"};
  }
  Status GenerateIdentityToken(ServerContext*, const pb::GenerateIdentityTokenRequest*,
                               pb::GenerateIdentityTokenResponse*) override {
    return Enterprise();
  }
  Status GetRotationInformation(ServerContext*, const pb::RotationInfoRequest*,
                                pb::RotationInfoReply*) override {
    return Enterprise();
  }
  Status RegisterRotationJob(ServerContext*, const pb::RegisterRotationJobRequest*,
                             pb::RegisterRotationJobResponse*) override {
    return Enterprise();
  }
  Status RegisterRotationJobWithResponse(ServerContext*, const pb::RegisterRotationJobRequest*,
                                         pb::RegisterRotationJobWithResponseReply*) override {
    return Enterprise();
  }
  Status DeregisterRotationJob(ServerContext*, const pb::DeregisterRotationJobRequest*,
                               pb::Empty*) override {
    return Enterprise();
  }

 private:
  static Status Enterprise() { return {StatusCode::INTERNAL, "enterprise only feature"}; }
  const MountServices* const services_;
};

// Both ways in for events end here: the same checks, the same publisher.
class EventAcceptor {
 public:
  explicit EventAcceptor(const MountServices* services) : services_(services) {}

  // Publishes what is accepted, in order; the rest gets its reason.
  void Accept(google::protobuf::RepeatedPtrField<logical::EventReceived>& events,
              v1::PublishReply& reply) {
    std::vector<bus::Event> accepted;
    accepted.reserve(events.size());
    const absl::Time now = services_->clock->Now();
    for (int i = 0; i < events.size(); ++i) {
      const absl::Status status =
          AcceptEvent(services_->plugin_info, services_->limits, &events[i]);
      if (status.ok()) {
        accepted.push_back({.message = &events[i], .accepted = now});
      } else {
        Reject(i, status, reply);
      }
    }
    if (!accepted.empty()) services_->publisher->Publish(accepted);
    if (reply.rejected_size() > 0) LogRejected(reply);
  }

 private:
  void Reject(int index, const absl::Status& status, v1::PublishReply& reply) {
    v1::RejectedEvent& rejected = *reply.add_rejected();
    rejected.set_index(index);
    rejected.set_code(static_cast<int>(status.code()));
    rejected.set_reason(Text(status));
    services_->metrics
        ->GetCounter("belfry_events_rejected_total", "Events of plugins that the host refused.",
                     {{"mount", services_->plugin_info.mount_path()},
                      {"code", absl::StatusCodeToString(status.code())}})
        .Increment();
  }

  // One line for a batch: a plugin must not be able to flood the log.
  void LogRejected(const v1::PublishReply& reply) {
    services_->logger.Warn("refused events of a plugin",
                           {{"mount", services_->plugin_info.mount_path()},
                            {"plugin", services_->plugin_info.plugin()},
                            {"refused", std::to_string(reply.rejected_size())},
                            {"first_reason", reply.rejected(0).reason()}});
  }

  const MountServices* const services_;
};

class ProducerService final : public v1::EventProducer::Service {
 public:
  ProducerService(EventAcceptor* acceptor, const MountServices* services)
      : acceptor_(acceptor), services_(services) {}

  Status Publish(ServerContext*,
                 grpc::ServerReaderWriter<v1::PublishReply, v1::PublishRequest>* stream) override {
    // A batch is thousands of small strings: made and thrown away together, they cost a third.
    google::protobuf::ArenaOptions blocks;
    blocks.start_block_size = 64 * 1024;
    blocks.max_block_size = 1024 * 1024;
    google::protobuf::Arena batch(blocks);
    v1::PublishReply reply;
    for (;; batch.Reset()) {
      auto& request = *google::protobuf::Arena::CreateMessage<v1::PublishRequest>(&batch);
      if (!stream->Read(&request)) return Status::OK;
      if (static_cast<std::size_t>(request.events_size()) >
          services_->limits.max_events_per_batch) {
        return {StatusCode::RESOURCE_EXHAUSTED,
                Concat({"a batch may have ", std::to_string(services_->limits.max_events_per_batch),
                        " events"})};
      }
      reply.Clear();
      reply.set_batch(request.batch());
      acceptor_->Accept(*request.mutable_events(), reply);
      if (!stream->Write(reply)) return Status::OK;
    }
  }

 private:
  EventAcceptor* const acceptor_;
  const MountServices* const services_;
};

class EventsService final : public pb::Events::Service {
 public:
  explicit EventsService(EventAcceptor* acceptor) : acceptor_(acceptor) {}

  Status SendEvent(ServerContext*, const pb::SendEventRequest* request, pb::Empty*) override {
    google::protobuf::RepeatedPtrField<logical::EventReceived> events;
    logical::EventReceived& event = *events.Add();
    event.set_event_type(request->event_type());
    *event.mutable_event() = request->event();
    v1::PublishReply reply;
    acceptor_->Accept(events, reply);
    if (reply.rejected_size() == 0) return Status::OK;
    return {static_cast<StatusCode>(reply.rejected(0).code()), reply.rejected(0).reason()};
  }

 private:
  EventAcceptor* const acceptor_;
};

// Observations are taken and dropped: plugins log an error for each one that a host refuses.
// (plugin-protocol 5.10)
class ObservationsService final : public pb::Observations::Service {
  Status RecordObservation(ServerContext*, const pb::RecordObservationRequest*,
                           pb::Empty*) override {
    return Status::OK;
  }
};

class HostServicesImpl final : public HostServices {
 public:
  HostServicesImpl(std::string path, MountServices services)
      : path_(std::move(path)),
        services_(std::move(services)),
        storage_(services_.storage),
        system_view_(&services_),
        acceptor_(&services_),
        producer_(&acceptor_, &services_),
        events_(&acceptor_) {}

  ~HostServicesImpl() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    unlink(path_.c_str());
  }

  absl::Status Listen(const std::optional<wire::Trust>& trust) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(Concat({"unix:", path_}), wire::ServerCredentials(trust));
    builder.SetMaxReceiveMessageSize(-1);
    builder.SetMaxSendMessageSize(-1);
    for (grpc::Service* service : std::initializer_list<grpc::Service*>{
             &storage_, &system_view_, &events_, &producer_, &observations_}) {
      builder.RegisterService(service);
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::UnavailableError(Concat({"cannot listen on ", path_}));
    return absl::OkStatus();
  }

  void AllowWrites() override { storage_.AllowWrites(); }

 private:
  const std::string path_;
  const MountServices services_;
  StorageService storage_;
  SystemViewService system_view_;
  EventAcceptor acceptor_;
  ProducerService producer_;
  EventsService events_;
  ObservationsService observations_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HostServices>> HostServices::Start(
    const std::string& path, const std::optional<wire::Trust>& trust, MountServices services) {
  auto started = std::make_unique<HostServicesImpl>(path, std::move(services));
  if (absl::Status status = started->Listen(trust); !status.ok()) return status;
  return started;
}

}  // namespace belfry::plugin_host
