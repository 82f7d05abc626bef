#include "sdk/src/event_stream.h"

#include <utility>

#include "sdk/src/grpc_status.h"
#include "sdk/src/publish_call.h"

namespace belfry::internal {
namespace {

// A stream may break between being chosen and being used; more often than that it is the host.
constexpr int kMaxAttempts = 3;

}  // namespace

EventStream::EventStream(std::shared_ptr<grpc::Channel> channel, absl::Duration limit)
    : limit_(limit),
      producer_(v1::EventProducer::NewStub(channel)),
      events_(pb::Events::NewStub(channel)) {}

EventStream::~EventStream() {
  std::vector<std::shared_ptr<PublishCall>> calls;
  {
    MutexLock lock(&mutex_);
    calls = std::move(ended_);
    if (call_) calls.push_back(std::move(call_));
  }
  for (const std::shared_ptr<PublishCall>& call : calls) call->CancelAndWait();
}

absl::Status EventStream::Send(logical::EventReceived event) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(limit_);
  SendOutcome outcome{.unsent = true};
  for (int attempt = 0; outcome.unsent && attempt < kMaxAttempts; ++attempt) {
    const std::shared_ptr<PublishCall> call = CurrentCall();
    if (!call) return SendUnary(std::move(event));
    outcome = call->Send(event, deadline);
  }
  if (!outcome.unimplemented) return std::move(outcome.status);
  UseUnaryCalls();
  return SendUnary(std::move(event));
}

std::shared_ptr<PublishCall> EventStream::CurrentCall() {
  MutexLock lock(&mutex_);
  if (unary_) return nullptr;
  if (call_ && !call_->broken()) return call_;
  std::erase_if(ended_, [](const std::shared_ptr<PublishCall>& call) { return call->done(); });
  if (call_) ended_.push_back(std::move(call_));
  call_ = PublishCall::Start(producer_.get());
  return call_;
}

void EventStream::UseUnaryCalls() {
  MutexLock lock(&mutex_);
  unary_ = true;
}

absl::Status EventStream::SendUnary(logical::EventReceived event) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(limit_));
  pb::SendEventRequest request;
  request.set_event_type(std::move(*event.mutable_event_type()));
  *request.mutable_event() = std::move(*event.mutable_event());
  pb::Empty reply;
  return FromGrpc(events_->SendEvent(&context, request, &reply));
}

}  // namespace belfry::internal
