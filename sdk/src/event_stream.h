#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "belfry/events.h"
#include "grpcpp/channel.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/src/event_answers.h"
#include "sdk/src/publish_call.h"

namespace belfry::internal {

// Carries one mount's events to its host: over one open EventProducer/Publish stream, or, for good
// once the host has answered UNIMPLEMENTED, by pb.Events/SendEvent, an event a call.
//
// Threads: safe. What is sent at once leaves as one batch; Send returns when the host has answered
// for each event. The stream opens at the first Send, and again at the first Send after it broke.
// Limits: 8,192 events or 16 MiB that the host has not acknowledged: a Send that has some among
// them waits for them, any other is refused with ResourceExhausted; 1,024 events or 1 MiB a batch;
// two batches on the way. Errors: as EventSender says; DeadlineExceeded when the host answers
// nothing for `limit`: the event may or may not have been accepted.
class EventStream final {
 public:
  EventStream(std::shared_ptr<grpc::Channel> channel, absl::Duration limit);
  // Cancels what is on the way and waits until gRPC has let go of it.
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // One status for each event.
  std::vector<absl::Status> Send(absl::Span<const Event> events);

 private:
  // Null once the host is known to have no such stream.
  std::shared_ptr<PublishCall> CurrentCall();
  void UseUnaryCalls();
  // OK when every event is answered, or another call may do for those that are not.
  absl::Status SendOver(PublishCall& call, absl::Span<const Event> events,
                        std::span<const std::size_t> open,
                        const std::shared_ptr<EventAnswers>& answers);
  absl::Status WaitForAnswers(EventAnswers& answers);
  absl::Status SendUnary(absl::Span<const Event> events, std::span<const std::size_t> open,
                         EventAnswers& answers);
  absl::Status CallHost(std::string_view type, const EventFields& fields);
  std::chrono::steady_clock::time_point Deadline() const;

  const absl::Duration limit_;
  PublishCall::Stub publish_;
  const std::unique_ptr<pb::Events::Stub> events_;
  Mutex mutex_;
  std::shared_ptr<PublishCall> call_ ABSL_GUARDED_BY(mutex_);  // Shared with the Sends that use it.
  // Broken ones that gRPC may not have let go of yet.
  std::vector<std::shared_ptr<PublishCall>> ended_ ABSL_GUARDED_BY(mutex_);
  bool unary_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::internal
