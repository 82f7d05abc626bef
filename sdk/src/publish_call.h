#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "grpcpp/client_context.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "server/base/mutex.h"

namespace belfry::internal {

// How a Send over one stream ended.
struct SendOutcome {
  absl::Status status;
  // The host does not know the stream: nothing was accepted, use the other way.
  bool unimplemented = false;
  // The stream had broken before: nothing left the plugin, a new stream may do.
  bool unsent = false;
};

// One life of the Publish stream. (belfry.v1.EventProducer)
//
// Threads: Send, broken and done from any; the On… functions are gRPC's.
// Lifetime: made by Start only; must outlive done(), and must not be destroyed by a callback of
// gRPC. Its context holds the channel, and gRPC 1.51 frees what its callback threads run on when
// the last channel goes: on such a thread that would be under its own feet.
class PublishCall final : public grpc::ClientBidiReactor<v1::PublishRequest, v1::PublishReply> {
 public:
  static std::shared_ptr<PublishCall> Start(v1::EventProducer::Stub* stub);

  // Waits for the host's answer, until `deadline`. `event` is unchanged when the outcome is
  // `unimplemented` or `unsent`, and taken otherwise.
  SendOutcome Send(logical::EventReceived& event, std::chrono::steady_clock::time_point deadline);
  // Whether the stream has ended or is about to.
  bool broken() const;
  // Whether gRPC has let go of it.
  bool done() const;
  void CancelAndWait();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  // One event that a Send waits for. Shared by the Send and the batch it left in: the Send may give
  // up first.
  struct Pending {
    logical::EventReceived event;
    std::size_t bytes = 0;
    std::optional<SendOutcome> outcome;
    CondVar answered;
  };
  using PendingPtr = std::shared_ptr<Pending>;
  struct Batch {
    std::uint64_t number = 0;
    std::vector<PendingPtr> events;
  };

  PublishCall() = default;
  // Why the stream broke is known when gRPC is done with it: a host without the stream ends it as
  // soon as it is opened, before anything was sent.
  SendOutcome OutcomeOfBroken(std::chrono::steady_clock::time_point deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Fills `request_` from the queue; false when there is nothing to write or may not be now. After
  // true the caller must StartWrite, without the lock.
  bool PrepareWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False when the reply does not fit what was sent.
  bool Acknowledge(const v1::PublishReply& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(Pending& pending, SendOutcome outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailAll(const SendOutcome& outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::ClientContext context_;
  v1::PublishReply reply_;      // gRPC's between StartRead and OnReadDone.
  v1::PublishRequest request_;  // gRPC's while writing_.

  mutable Mutex mutex_;
  CondVar done_changed_;
  std::deque<PendingPtr> queue_ ABSL_GUARDED_BY(mutex_);
  std::deque<Batch> unacknowledged_ ABSL_GUARDED_BY(mutex_);
  std::size_t pending_events_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_batch_ ABSL_GUARDED_BY(mutex_) = 1;
  bool confirmed_ ABSL_GUARDED_BY(mutex_) = false;  // The host has answered a batch.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool unimplemented_ ABSL_GUARDED_BY(mutex_) = false;  // Known when done_.
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::internal
