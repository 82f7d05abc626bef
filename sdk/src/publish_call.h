#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"  // With how gRPC reads the reply.
#include "sdk/src/event_answers.h"

namespace belfry::internal {

// Events of one SendAll that leave together.
struct EventChunk {
  std::string wire;                 // As AppendEvent makes it.
  std::vector<std::size_t> events;  // Their positions in the SendAll.
};

// No chunk is larger, but for a single event that is.
constexpr std::size_t kMaxBatchEvents = 1024;
constexpr std::size_t kMaxBatchBytes = 1 << 20;

enum class AddResult {
  kTaken,  // Its answers will be in the EventAnswers.
  kFull,
  kBroken,  // A new stream may do.
};

// One life of the Publish stream. (belfry.v1.EventProducer)
//
// Threads: the On… functions are gRPC's, all others from any.
// Lifetime: made by Start only; must outlive done(), and must not be destroyed by a callback of
// gRPC. Its context holds the channel, and gRPC 1.51 frees what its callback threads run on when
// the last channel goes: on such a thread that would be under its own feet.
class PublishCall final : public grpc::ClientBidiReactor<grpc::ByteBuffer, v1::PublishReply> {
 public:
  // Takes the messages in their encoded form.
  using Stub = grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::PublishReply>;
  static std::shared_ptr<PublishCall> Start(Stub* stub);

  // Sends the chunk as soon as it is its turn, with what waits beside it. `chunk` is taken, and its
  // events are handed over to `answers`, only when the result says so. Does not wait.
  AddResult Add(EventChunk& chunk, const std::shared_ptr<EventAnswers>& answers);
  // Whether the stream has ended or is about to.
  bool broken() const;
  // Whether gRPC has let go of it.
  bool done() const;
  // Waits for done(); false when that is not by then.
  bool WaitUntilDone(std::chrono::steady_clock::time_point deadline);
  // Whether the host does not know the stream; known when done(). Nothing was accepted, and all
  // events were handed back.
  bool unimplemented() const;
  void CancelAndWait();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  struct Claim {
    std::shared_ptr<EventAnswers> answers;  // Shared with the SendAll, which may give up first.
    std::vector<std::size_t> events;
  };
  struct Batch {
    std::uint64_t number = 0;
    std::string wire;
    std::size_t bytes = 0;
    std::size_t events = 0;
    std::vector<Claim> claims;
  };

  PublishCall() = default;
  // The last batch that waits if the chunk fits in, else a new one.
  Batch& BatchFor(const EventChunk& chunk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Fills `request_` from the queue; false when there is nothing to write or may not be now. After
  // true the caller must StartWrite, without the lock.
  bool PrepareWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The batch that a reply by this number is for; nullopt when it does not fit what was sent.
  std::optional<Batch> TakeAcknowledged(std::uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Answer(const Batch& batch, const v1::PublishReply& reply);
  // Ends all that is pending: what was not written is handed back, and so is everything when the
  // host does not know the stream; the rest gets `status`.
  void EndAll(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::ClientContext context_;
  v1::PublishReply reply_;    // gRPC's between StartRead and OnReadDone.
  grpc::ByteBuffer request_;  // gRPC's while writing_.

  mutable Mutex mutex_;
  CondVar done_changed_;
  std::deque<Batch> queue_ ABSL_GUARDED_BY(mutex_);
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
