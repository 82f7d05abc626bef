#include "sdk/src/publish_call.h"

#include <map>
#include <utility>

#include "sdk/src/event_encoding.h"
#include "sdk/src/grpc_status.h"

namespace belfry::internal {
namespace {

constexpr char kMethod[] = "/belfry.v1.EventProducer/Publish";
constexpr std::size_t kMaxPendingEvents = 8192;
constexpr std::size_t kMaxPendingBytes = 16 << 20;
// One on the way while the next gathers: more would make batches smaller, not the stream faster.
constexpr std::size_t kMaxUnacknowledgedBatches = 2;

constexpr char kBroken[] =
    "the event stream to the host broke; the event may or may not have been accepted";

// Takes the text over, rather than copy it.
grpc::ByteBuffer ToBuffer(std::string wire) {
  auto* const owned = new std::string(std::move(wire));
  const grpc::Slice slice(
      owned->data(), owned->size(), [](void* text) { delete static_cast<std::string*>(text); },
      owned);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

std::shared_ptr<PublishCall> PublishCall::Start(Stub* stub) {
  std::shared_ptr<PublishCall> call(new PublishCall);
  stub->PrepareBidiStreamingCall(&call->context_, kMethod, {}, call.get());
  // Sends write from threads that are not gRPC's; the hold lets them until the stream has broken.
  call->AddHold();
  call->StartRead(&call->reply_);
  call->StartCall();
  return call;
}

AddResult PublishCall::Add(EventChunk& chunk, const std::shared_ptr<EventAnswers>& answers) {
  bool write = false;
  {
    MutexLock lock(&mutex_);
    if (broken_) return AddResult::kBroken;
    const bool first = pending_events_ == 0;  // However large.
    if (!first && (pending_events_ + chunk.events.size() > kMaxPendingEvents ||
                   pending_bytes_ + chunk.wire.size() > kMaxPendingBytes)) {
      return AddResult::kFull;
    }
    pending_events_ += chunk.events.size();
    const std::size_t bytes = chunk.wire.size();
    pending_bytes_ += bytes;
    answers->HandOver(chunk.events.size());
    Batch& batch = BatchFor(chunk);
    if (batch.wire.empty()) {
      batch.wire = std::move(chunk.wire);
    } else {
      batch.wire += chunk.wire;
    }
    batch.bytes += bytes;
    batch.events += chunk.events.size();
    batch.claims.push_back({answers, std::move(chunk.events)});
    write = PrepareWrite();
  }
  if (write) StartWrite(&request_);
  return AddResult::kTaken;
}

PublishCall::Batch& PublishCall::BatchFor(const EventChunk& chunk) {
  const bool fits = !queue_.empty() &&
                    queue_.back().events + chunk.events.size() <= kMaxBatchEvents &&
                    queue_.back().bytes + chunk.wire.size() <= kMaxBatchBytes;
  return fits ? queue_.back() : queue_.emplace_back();
}

bool PublishCall::broken() const {
  MutexLock lock(&mutex_);
  return broken_;
}

bool PublishCall::done() const {
  MutexLock lock(&mutex_);
  return done_;
}

bool PublishCall::WaitUntilDone(std::chrono::steady_clock::time_point deadline) {
  MutexLock lock(&mutex_);
  while (!done_ && done_changed_.WaitUntil(&mutex_, deadline)) {
  }
  return done_;
}

bool PublishCall::unimplemented() const {
  MutexLock lock(&mutex_);
  return unimplemented_;
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
  Batch& batch = unacknowledged_.emplace_back(std::move(queue_.front()));
  queue_.pop_front();
  batch.number = next_batch_++;
  AppendBatchNumber(batch.number, &batch.wire);
  request_ = ToBuffer(std::exchange(batch.wire, std::string()));
  return true;
}

std::optional<PublishCall::Batch> PublishCall::TakeAcknowledged(std::uint64_t number) {
  if (unacknowledged_.empty() || unacknowledged_.front().number != number) return std::nullopt;
  confirmed_ = true;
  Batch batch = std::move(unacknowledged_.front());
  unacknowledged_.pop_front();
  pending_events_ -= batch.events;
  pending_bytes_ -= batch.bytes;
  return batch;
}

void PublishCall::Answer(const Batch& batch, const v1::PublishReply& reply) {
  std::map<std::size_t, const v1::RejectedEvent*> rejected;
  for (const v1::RejectedEvent& event : reply.rejected()) rejected.emplace(event.index(), &event);
  std::size_t position = 0;
  for (const Claim& claim : batch.claims) {
    std::vector<std::size_t> accepted;
    accepted.reserve(claim.events.size());
    for (const std::size_t event : claim.events) {
      const auto found = rejected.find(position++);
      if (found == rejected.end()) {
        accepted.push_back(event);
      } else {
        claim.answers->Answer({event}, ToStatus(*found->second));
      }
    }
    claim.answers->Answer(accepted, absl::OkStatus());
  }
}

void PublishCall::EndAll(const absl::Status& status) {
  for (const Batch& batch : unacknowledged_) {
    for (const Claim& claim : batch.claims) {
      if (unimplemented_) {
        claim.answers->HandBack(claim.events.size());
      } else {
        claim.answers->Answer(claim.events, status);
      }
    }
  }
  for (const Batch& batch : queue_) {
    for (const Claim& claim : batch.claims) claim.answers->HandBack(claim.events.size());
  }
  unacknowledged_.clear();
  queue_.clear();
}

void PublishCall::OnReadDone(bool ok) {
  bool write = false;
  bool release = false;
  std::optional<Batch> answered;
  {
    MutexLock lock(&mutex_);
    if (ok) answered = TakeAcknowledged(reply_.batch());
    if (answered) {
      write = PrepareWrite();
    } else if (!broken_) {
      broken_ = true;
      release = !writing_;  // Else OnWriteDone does.
    }
  }
  // The next batch leaves first. Those who are woken want the lock at once, to send more.
  if (write) StartWrite(&request_);
  if (answered) {
    Answer(*answered, reply_);
    StartRead(&reply_);
  }
  if (ok && !answered) context_.TryCancel();
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
  MutexLock lock(&mutex_);
  broken_ = true;
  unimplemented_ = !confirmed_ && status.error_code() == grpc::StatusCode::UNIMPLEMENTED;
  EndAll(status.ok() ? absl::UnavailableError(kBroken) : FromGrpc(status));
  done_ = true;
  // Under the lock and last: whoever waits may destroy this as soon as it can take it.
  done_changed_.NotifyAll();
}

}  // namespace belfry::internal
