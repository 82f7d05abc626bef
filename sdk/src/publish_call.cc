#include "sdk/src/publish_call.h"

#include <utility>

#include "sdk/src/grpc_status.h"

namespace belfry::internal {
namespace {

constexpr std::size_t kMaxPendingEvents = 8192;
constexpr std::size_t kMaxPendingBytes = 16 << 20;
constexpr std::size_t kMaxBatchEvents = 256;
constexpr std::size_t kMaxBatchBytes = 1 << 20;
// One on the way while the next gathers: more would make batches smaller, not the stream faster.
constexpr std::size_t kMaxUnacknowledgedBatches = 2;

constexpr char kTooSlow[] = "the host is too slow to take more events";
constexpr char kBroken[] =
    "the event stream to the host broke; the event may or may not have been accepted";
constexpr char kUnsent[] = "the event stream to the host broke before the event was sent";
constexpr char kNoAnswer[] =
    "the host did not answer in time; the event may or may not have been accepted";

absl::Status ToStatus(const v1::RejectedEvent& rejected) {
  return absl::Status(static_cast<absl::StatusCode>(rejected.code()), rejected.reason());
}

}  // namespace

std::shared_ptr<PublishCall> PublishCall::Start(v1::EventProducer::Stub* stub) {
  std::shared_ptr<PublishCall> call(new PublishCall);
  stub->async()->Publish(&call->context_, call.get());
  // Sends write from threads that are not gRPC's; the hold lets them until the stream has broken.
  call->AddHold();
  call->StartRead(&call->reply_);
  call->StartCall();
  return call;
}

SendOutcome PublishCall::Send(logical::EventReceived& event,
                              std::chrono::steady_clock::time_point deadline) {
  const std::size_t bytes = event.ByteSizeLong();
  const auto pending = std::make_shared<Pending>();
  bool write = false;
  {
    MutexLock lock(&mutex_);
    if (broken_) return OutcomeOfBroken(deadline);
    if (pending_events_ >= kMaxPendingEvents || pending_bytes_ + bytes > kMaxPendingBytes) {
      return {absl::ResourceExhaustedError(kTooSlow)};
    }
    pending->event = std::move(event);
    pending->bytes = bytes;
    ++pending_events_;
    pending_bytes_ += bytes;
    queue_.push_back(pending);
    write = PrepareWrite();
  }
  if (write) StartWrite(&request_);

  MutexLock lock(&mutex_);
  while (!pending->outcome) {
    if (!pending->answered.WaitUntil(&mutex_, deadline) && !pending->outcome) {
      return {absl::DeadlineExceededError(kNoAnswer)};
    }
  }
  if (pending->outcome->unimplemented) event = std::move(pending->event);
  return *pending->outcome;
}

SendOutcome PublishCall::OutcomeOfBroken(std::chrono::steady_clock::time_point deadline) {
  while (!done_ && done_changed_.WaitUntil(&mutex_, deadline)) {
  }
  return {.status = absl::UnavailableError(kUnsent),
          .unimplemented = unimplemented_,
          .unsent = !unimplemented_};
}

bool PublishCall::broken() const {
  MutexLock lock(&mutex_);
  return broken_;
}

bool PublishCall::done() const {
  MutexLock lock(&mutex_);
  return done_;
}

void PublishCall::CancelAndWait() {
  context_.TryCancel();
  MutexLock lock(&mutex_);
  while (!done_) done_changed_.Wait(&mutex_);
}

bool PublishCall::PrepareWrite() {
  if (writing_ || broken_ || queue_.empty() ||
      unacknowledged_.size() >= kMaxUnacknowledgedBatches) {
    return false;
  }
  writing_ = true;
  Batch& batch = unacknowledged_.emplace_back();
  batch.number = next_batch_++;
  request_.Clear();
  request_.set_batch(batch.number);
  std::size_t bytes = 0;
  while (!queue_.empty() && batch.events.size() < kMaxBatchEvents &&
         (batch.events.empty() || bytes + queue_.front()->bytes <= kMaxBatchBytes)) {
    bytes += queue_.front()->bytes;
    logical::EventReceived* event = request_.add_events();
    // A copy until the host has shown that it knows the stream: if not, the event goes another way.
    if (confirmed_) {
      *event = std::move(queue_.front()->event);
    } else {
      *event = queue_.front()->event;
    }
    batch.events.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return true;
}

bool PublishCall::Acknowledge(const v1::PublishReply& reply) {
  if (unacknowledged_.empty() || unacknowledged_.front().number != reply.batch()) return false;
  confirmed_ = true;
  const Batch batch = std::move(unacknowledged_.front());
  unacknowledged_.pop_front();
  for (const v1::RejectedEvent& rejected : reply.rejected()) {
    if (rejected.index() >= batch.events.size()) continue;
    Pending& pending = *batch.events[rejected.index()];
    if (!pending.outcome) Finish(pending, {ToStatus(rejected)});
  }
  for (const PendingPtr& pending : batch.events) {
    if (!pending->outcome) Finish(*pending, {absl::OkStatus()});
  }
  return true;
}

void PublishCall::Finish(Pending& pending, SendOutcome outcome) {
  --pending_events_;
  pending_bytes_ -= pending.bytes;
  pending.outcome = std::move(outcome);
  pending.answered.NotifyAll();
}

void PublishCall::FailAll(const SendOutcome& outcome) {
  for (const Batch& batch : unacknowledged_) {
    for (const PendingPtr& pending : batch.events) Finish(*pending, outcome);
  }
  for (const PendingPtr& pending : queue_) Finish(*pending, outcome);
  unacknowledged_.clear();
  queue_.clear();
}

void PublishCall::OnReadDone(bool ok) {
  bool write = false;
  bool release = false;
  bool fits = false;
  {
    MutexLock lock(&mutex_);
    fits = ok && Acknowledge(reply_);
    if (ok && fits) {
      write = PrepareWrite();
    } else if (!broken_) {
      broken_ = true;
      release = !writing_;  // Else OnWriteDone does.
    }
  }
  if (fits) StartRead(&reply_);
  if (ok && !fits) context_.TryCancel();
  if (write) StartWrite(&request_);
  if (release) RemoveHold();
}

void PublishCall::OnWriteDone(bool ok) {
  bool write = false;
  bool release = false;
  {
    MutexLock lock(&mutex_);
    writing_ = false;
    if (broken_) {
      release = true;
    } else if (ok) {
      write = PrepareWrite();
    }
    // Otherwise the stream is ending: OnReadDone(false) follows and releases.
  }
  if (write) StartWrite(&request_);
  if (release) RemoveHold();
}

void PublishCall::OnDone(const grpc::Status& status) {
  const bool unimplemented = status.error_code() == grpc::StatusCode::UNIMPLEMENTED;
  const SendOutcome outcome{
      .status = status.ok() ? absl::UnavailableError(kBroken) : FromGrpc(status),
      .unimplemented = unimplemented};
  MutexLock lock(&mutex_);
  broken_ = true;
  unimplemented_ = unimplemented;
  FailAll(outcome);
  done_ = true;
  // Under the lock and last: whoever waits may destroy this as soon as it can take it.
  done_changed_.NotifyAll();
}

}  // namespace belfry::internal
