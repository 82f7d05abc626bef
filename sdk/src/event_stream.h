#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "server/base/mutex.h"

namespace belfry::internal {

class PublishCall;

// Carries one mount's events to its host: over one open EventProducer/Publish stream, or, for good
// once the host has answered UNIMPLEMENTED, by pb.Events/SendEvent, an event a call.
//
// Threads: safe. What is sent at once leaves as one batch; Send returns when the host has
// acknowledged it. The stream opens at the first Send, and again at the first Send after it broke.
// Limits: 8,192 events or 16 MiB that the host has not acknowledged, then ResourceExhausted; 256
// events or 1 MiB a batch; two batches on the way. Errors: as EventSender says; DeadlineExceeded
// when the host takes longer than `limit`: the event may or may not have been accepted.
class EventStream final {
 public:
  EventStream(std::shared_ptr<grpc::Channel> channel, absl::Duration limit);
  // Cancels what is on the way and waits until gRPC has let go of it.
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  absl::Status Send(logical::EventReceived event);

 private:
  // Null once the host is known to have no such stream.
  std::shared_ptr<PublishCall> CurrentCall();
  void UseUnaryCalls();
  absl::Status SendUnary(logical::EventReceived event);

  const absl::Duration limit_;
  const std::unique_ptr<v1::EventProducer::Stub> producer_;
  const std::unique_ptr<pb::Events::Stub> events_;
  Mutex mutex_;
  std::shared_ptr<PublishCall> call_ ABSL_GUARDED_BY(mutex_);  // Shared with the Sends that use it.
  // Broken ones that gRPC may not have let go of yet.
  std::vector<std::shared_ptr<PublishCall>> ended_ ABSL_GUARDED_BY(mutex_);
  bool unary_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::internal
