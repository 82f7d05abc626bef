#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "belfry/testing/fake_host.h"
#include "grpcpp/server.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/belfry/v1/storage.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/src/testing/recorded_events.h"
#include "sdk/wire/credentials.h"

namespace belfry::testing {

// pb.Storage over a FakeStorage: a read-only storage answers with the text that plugins know, other
// failures travel as gRPC statuses.
class HostKeys final : public pb::Storage::Service {
 public:
  explicit HostKeys(FakeStorage* storage) : storage_(storage) {}
  grpc::Status Get(grpc::ServerContext*, const pb::StorageGetArgs*, pb::StorageGetReply*) override;
  grpc::Status Put(grpc::ServerContext*, const pb::StoragePutArgs*, pb::StoragePutReply*) override;
  grpc::Status Delete(grpc::ServerContext*, const pb::StorageDeleteArgs*,
                      pb::StorageDeleteReply*) override;
  grpc::Status List(grpc::ServerContext*, const pb::StorageListArgs*,
                    pb::StorageListReply*) override;

 private:
  FakeStorage* const storage_;
};

// What plugins of other make ask for at every request. (plugin-protocol 5.9)
class HostSystemView final : public pb::SystemView::Service {
 public:
  explicit HostSystemView(std::function<LeaseTtls()> ttls) : ttls_(std::move(ttls)) {}
  grpc::Status DefaultLeaseTTL(grpc::ServerContext*, const pb::Empty*, pb::TTLReply*) override;
  grpc::Status MaxLeaseTTL(grpc::ServerContext*, const pb::Empty*, pb::TTLReply*) override;
  grpc::Status ReplicationState(grpc::ServerContext*, const pb::Empty*,
                                pb::ReplicationStateReply*) override;
  grpc::Status LocalMount(grpc::ServerContext*, const pb::Empty*, pb::LocalMountReply*) override;

 private:
  const std::function<LeaseTtls()> ttls_;
};

// belfry.v1.Storage over a FakeStorage.
class HostBatches final : public v1::Storage::Service {
 public:
  HostBatches(FakeStorage* storage, RecordedEvents* events) : storage_(storage), events_(events) {}
  grpc::Status Apply(grpc::ServerContext*, const v1::ApplyRequest*, v1::ApplyReply*) override;

 private:
  FakeStorage* const storage_;
  RecordedEvents* const events_;
};

// pb.Events: an event a call.
class HostEvents final : public pb::Events::Service {
 public:
  explicit HostEvents(RecordedEvents* events) : events_(events) {}
  grpc::Status SendEvent(grpc::ServerContext*, const pb::SendEventRequest*, pb::Empty*) override;

 private:
  RecordedEvents* const events_;
};

// belfry.v1.EventProducer: answers each batch.
class HostProducer final : public v1::EventProducer::Service {
 public:
  explicit HostProducer(RecordedEvents* events) : events_(events) {}
  grpc::Status Publish(grpc::ServerContext*,
                       grpc::ServerReaderWriter<v1::PublishReply, v1::PublishRequest>*) override;

 private:
  RecordedEvents* const events_;
};

// What it serves: all of it, or what a Vault does.
enum class HostKind { kBelfry, kVault };

// A host's side of one mount, on a unix socket. Threads: safe.
class HostServer final {
 public:
  // `storage` and `events` must outlive it. Stops the program when it cannot listen.
  HostServer(
      const std::string& socket_path, const std::optional<wire::Trust>& trust, HostKind kind,
      FakeStorage* storage, RecordedEvents* events,
      std::function<LeaseTtls()> ttls = [] { return LeaseTtls(); });
  ~HostServer();

 private:
  HostKeys storage_;
  HostSystemView system_view_;
  HostBatches batches_;
  HostEvents events_;
  HostProducer producer_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace belfry::testing
