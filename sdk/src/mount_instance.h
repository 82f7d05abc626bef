#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "belfry/log.h"
#include "grpcpp/channel.h"
#include "grpcpp/server_context.h"
#include "proto/belfry/v1/backend.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/src/background_thread.h"
#include "sdk/src/engine_instance.h"
#include "sdk/src/event_stream.h"
#include "sdk/src/mount_events.h"
#include "sdk/src/storage_client.h"
#include "sdk/src/system_view_client.h"

namespace belfry::internal {

// One mount: its engine, and its own channel back to the host. Threads: safe.
class MountInstance final {
 public:
  struct Mount {
    std::map<std::string, std::string> options;
    std::string backend_uuid;
  };

  // What all mounts of a plugin have in common. `log` must outlive them.
  struct Engine {
    void (*define)(belfry::Engine&) = nullptr;
    EngineKind kind = EngineKind::kSecrets;
    const Log* log = nullptr;
    std::function<absl::Time()> now = absl::Now;
  };

  // Makes no call to the host, which may have no storage yet. (plugin-protocol 6.1)
  // InvalidArgument when `define` is mistaken, Internal when it throws.
  static absl::StatusOr<std::shared_ptr<MountInstance>> Create(
      const Engine& engine, Mount mount, std::shared_ptr<grpc::Channel> channel);

  pb::HandleRequestReply Handle(const grpc::ServerContext& context, const pb::Request& request);
  v1::WriteReply Write(const grpc::ServerContext& context, const pb::Request& request);
  pb::HandleExistenceCheckReply CheckExistence(const grpc::ServerContext& context,
                                               const pb::Request& request);
  // Starts what runs in the background, too.
  absl::Status Initialize();
  void Cleanup();
  EngineInstance& engine() { return *engine_; }

 private:
  MountInstance(std::shared_ptr<grpc::Channel> channel, const Log* log,
                std::function<absl::Time()> now);
  IncomingRequest Bound(IncomingRequest incoming, const grpc::ServerContext& context,
                        StorageClient& storage);

  const std::function<absl::Time()> now_;
  EventStream event_stream_;
  MountEvents events_;
  HostStorage storage_;
  StorageClient hook_storage_;
  SystemViewClient system_view_;
  std::unique_ptr<EngineInstance> engine_;  // It uses all of the above until it is gone.
  Mutex mutex_;                             // Hosts may ask for the start and the end at once.
  std::unique_ptr<BackgroundThread> background_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace belfry::internal
