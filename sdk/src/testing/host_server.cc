#include "sdk/src/testing/host_server.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/event_rules.h"
#include "base/text.h"
#include "grpcpp/server_builder.h"
#include "sdk/src/grpc_status.h"
#include "sdk/wire/handshake.h"

namespace belfry::testing {
namespace {

using internal::ToGrpc;

// What Vault's free edition answers: replication switched off. (plugin-protocol 5.9)
constexpr int kReplicationDisabled = 12288;
constexpr int kUnlimited = -1;

grpc::Status Outcome(const absl::Status& status, std::string* error_text) {
  if (!absl::IsFailedPrecondition(status)) return ToGrpc(status);
  *error_text = wire::kReadOnlyText;
  return grpc::Status::OK;
}

SentEvent ToSentEvent(const std::string& type, const logical::EventData& data) {
  SentEvent event{.type = type, .metadata = {}};
  for (const auto& [key, value] : data.metadata().fields()) {
    event.metadata[key] = value.string_value();
  }
  return event;
}

absl::Status Accept(const std::string& type, const logical::EventData& data,
                    RecordedEvents& record) {
  if (absl::Status status = CheckEventId(data.id()); !status.ok()) return status;
  return record.Accept(ToSentEvent(type, data));
}

using google::protobuf::RepeatedPtrField;

void AcceptAll(const RepeatedPtrField<logical::EventReceived>& events, RecordedEvents& record,
               RepeatedPtrField<v1::RejectedEvent>* rejected) {
  for (int i = 0; i < events.size(); ++i) {
    const absl::Status status = Accept(events[i].event_type(), events[i].event(), record);
    if (status.ok()) continue;
    v1::RejectedEvent& refusal = *rejected->Add();
    refusal.set_index(static_cast<std::uint32_t>(i));
    refusal.set_code(static_cast<int>(status.code()));
    refusal.set_reason(std::string(status.message()));
  }
}

}  // namespace

grpc::Status HostKeys::Get(grpc::ServerContext*, const pb::StorageGetArgs* arguments,
                           pb::StorageGetReply* reply) {
  const auto value = storage_->Get(arguments->key());
  if (!value.ok()) return Outcome(value.status(), reply->mutable_err());
  if (*value) {
    reply->mutable_entry()->set_key(arguments->key());
    reply->mutable_entry()->set_value(**value);
  }
  return grpc::Status::OK;
}

grpc::Status HostKeys::Put(grpc::ServerContext*, const pb::StoragePutArgs* arguments,
                           pb::StoragePutReply* reply) {
  return Outcome(storage_->Put(arguments->entry().key(), arguments->entry().value()),
                 reply->mutable_err());
}

grpc::Status HostKeys::Delete(grpc::ServerContext*, const pb::StorageDeleteArgs* arguments,
                              pb::StorageDeleteReply* reply) {
  return Outcome(storage_->Delete(arguments->key()), reply->mutable_err());
}

grpc::Status HostKeys::List(grpc::ServerContext*, const pb::StorageListArgs* arguments,
                            pb::StorageListReply* reply) {
  const auto keys = storage_->List(arguments->prefix());
  if (!keys.ok()) return Outcome(keys.status(), reply->mutable_err());
  for (const std::string& key : *keys) reply->add_keys(key);
  return grpc::Status::OK;
}

grpc::Status HostBatches::Apply(grpc::ServerContext*, const v1::ApplyRequest* request,
                                v1::ApplyReply* reply) {
  StorageBatch batch;
  for (const v1::StorageOperation& operation : request->operations()) {
    if (operation.has_put()) {
      batch.Put(operation.put().key(), operation.put().value());
    } else {
      batch.Delete(operation.delete_());
    }
  }
  if (absl::Status status = storage_->Apply(batch); !status.ok()) return ToGrpc(status);
  AcceptAll(request->events(), *events_, reply->mutable_rejected());
  return grpc::Status::OK;
}

grpc::Status HostSystemView::ReplicationState(grpc::ServerContext*, const pb::Empty*,
                                              pb::ReplicationStateReply* reply) {
  reply->set_state(kReplicationDisabled);
  return grpc::Status::OK;
}

grpc::Status HostSystemView::LocalMount(grpc::ServerContext*, const pb::Empty*,
                                        pb::LocalMountReply*) {
  return grpc::Status::OK;
}

grpc::Status HostSystemView::DefaultLeaseTTL(grpc::ServerContext*, const pb::Empty*,
                                             pb::TTLReply* reply) {
  reply->set_ttl(absl::ToInt64Nanoseconds(ttls_().default_ttl));
  return grpc::Status::OK;
}

grpc::Status HostSystemView::MaxLeaseTTL(grpc::ServerContext*, const pb::Empty*,
                                         pb::TTLReply* reply) {
  reply->set_ttl(absl::ToInt64Nanoseconds(ttls_().max_ttl));
  return grpc::Status::OK;
}

grpc::Status HostEvents::SendEvent(grpc::ServerContext*, const pb::SendEventRequest* request,
                                   pb::Empty*) {
  return ToGrpc(Accept(request->event_type(), request->event(), *events_));
}

grpc::Status HostProducer::Publish(
    grpc::ServerContext*, grpc::ServerReaderWriter<v1::PublishReply, v1::PublishRequest>* stream) {
  v1::PublishRequest request;
  while (stream->Read(&request)) {
    v1::PublishReply reply;
    reply.set_batch(request.batch());
    AcceptAll(request.events(), *events_, reply.mutable_rejected());
    if (!stream->Write(reply)) break;
  }
  return grpc::Status::OK;
}

HostServer::HostServer(const std::string& socket_path, const std::optional<wire::Trust>& trust,
                       HostKind kind, FakeStorage* storage, RecordedEvents* events,
                       std::function<LeaseTtls()> ttls)
    : storage_(storage),
      system_view_(std::move(ttls)),
      batches_(storage, events),
      events_(events),
      producer_(events) {
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kUnlimited);
  builder.SetMaxSendMessageSize(kUnlimited);
  builder.AddListeningPort(Concat({"unix:", socket_path}), wire::ServerCredentials(trust));
  builder.RegisterService(&storage_);
  builder.RegisterService(&system_view_);
  builder.RegisterService(&events_);
  if (kind == HostKind::kBelfry) {
    builder.RegisterService(&batches_);
    builder.RegisterService(&producer_);
  }
  server_ = builder.BuildAndStart();
  if (!server_) {
    std::fprintf(stderr, "belfry: the test host cannot listen on %s\n", socket_path.c_str());
    std::abort();
  }
}

HostServer::~HostServer() {
  server_->Shutdown(std::chrono::system_clock::now());
}

}  // namespace belfry::testing
