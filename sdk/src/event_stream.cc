#include "sdk/src/event_stream.h"

#include <utility>

#include "base/ids.h"
#include "sdk/src/event_encoding.h"
#include "sdk/src/grpc_status.h"
#include "sdk/wire/deadline.h"

namespace belfry::internal {
namespace {

// A stream may break between being chosen and being used; more often than that without an answer
// it is the host.
constexpr int kMaxAttempts = 3;

constexpr char kTooSlow[] = "the host is too slow to take more events";
constexpr char kUnsent[] = "the event stream to the host broke before the event was sent";
constexpr char kNoAnswer[] =
    "the host did not answer in time; the event may or may not have been accepted";

// Takes as many of the open events as make a batch. Those that must not be sent get their answer.
EventChunk NextChunk(absl::Span<const Event> events, EventAnswers& answers,
                     std::span<const std::size_t>* open) {
  EventChunk chunk;
  EventFields fields;
  while (!open->empty() && chunk.events.size() < kMaxBatchEvents &&
         chunk.wire.size() < kMaxBatchBytes / 2) {
    const std::size_t event = open->front();
    *open = open->subspan(1);
    if (absl::Status status = CompleteEvent(events[event], &fields); status.ok()) {
      AppendEvent(events[event].type, NewUuid(), fields, &chunk.wire);
      chunk.events.push_back(event);
    } else {
      answers.AnswerOne(event, std::move(status));
    }
  }
  return chunk;
}

// Whether later events would fare no better.
bool HostIsGone(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

EventStream::EventStream(std::shared_ptr<grpc::Channel> channel, absl::Duration limit)
    : limit_(limit), publish_(channel), events_(pb::Events::NewStub(channel)) {}

EventStream::~EventStream() {
  std::vector<std::shared_ptr<PublishCall>> calls;
  {
    MutexLock lock(&mutex_);
    calls = std::move(ended_);
    if (call_) calls.push_back(std::move(call_));
  }
  for (const std::shared_ptr<PublishCall>& call : calls) call->CancelAndWait();
}

std::vector<absl::Status> EventStream::Send(absl::Span<const Event> events) {
  // Shared with the stream's batches: this may give up first.
  const auto answers = std::make_shared<EventAnswers>(events.size());
  absl::Status rest = absl::UnavailableError(kUnsent);
  std::size_t left = events.size();
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const std::vector<std::size_t> open = answers->Open();
    if (open.empty()) break;
    if (open.size() < left) attempt = 0;
    left = open.size();
    const std::shared_ptr<PublishCall> call = CurrentCall();
    const absl::Status status =
        call ? SendOver(*call, events, open, answers) : SendUnary(events, open, *answers);
    if (!status.ok()) {
      rest = status;
      break;
    }
  }
  return answers->TakeAll(rest);
}

absl::Status EventStream::SendOver(PublishCall& call, absl::Span<const Event> events,
                                   std::span<const std::size_t> open,
                                   const std::shared_ptr<EventAnswers>& answers) {
  EventChunk chunk = NextChunk(events, *answers, &open);
  while (!chunk.events.empty()) {
    // Asked before, for they may be answered as soon as the stream has said that it is full.
    const bool under_way = answers->AnyUnderWay();
    const AddResult result = call.Add(chunk, answers);
    if (result == AddResult::kBroken) break;
    if (result == AddResult::kTaken) {
      chunk = NextChunk(events, *answers, &open);
    } else if (!under_way) {
      return absl::ResourceExhaustedError(kTooSlow);
    } else if (!answers->WaitForAnswer(Deadline())) {
      return absl::DeadlineExceededError(kNoAnswer);
    }
  }
  if (absl::Status status = WaitForAnswers(*answers); !status.ok()) return status;
  // Why the stream broke is known when gRPC is done with it: a host without the stream ends it as
  // soon as it is opened, before anything was sent.
  if (!call.broken()) return absl::OkStatus();
  if (!call.WaitUntilDone(Deadline())) return absl::UnavailableError(kUnsent);
  if (call.unimplemented()) UseUnaryCalls();
  return absl::OkStatus();
}

absl::Status EventStream::WaitForAnswers(EventAnswers& answers) {
  while (answers.AnyUnderWay()) {
    if (!answers.WaitForAnswer(Deadline())) return absl::DeadlineExceededError(kNoAnswer);
  }
  return absl::OkStatus();
}

std::chrono::steady_clock::time_point EventStream::Deadline() const {
  return std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(limit_);
}

std::shared_ptr<PublishCall> EventStream::CurrentCall() {
  MutexLock lock(&mutex_);
  if (unary_) return nullptr;
  if (call_ && !call_->broken()) return call_;
  std::erase_if(ended_, [](const std::shared_ptr<PublishCall>& call) { return call->done(); });
  if (call_) ended_.push_back(std::move(call_));
  call_ = PublishCall::Start(&publish_);
  return call_;
}

void EventStream::UseUnaryCalls() {
  MutexLock lock(&mutex_);
  unary_ = true;
}

absl::Status EventStream::SendUnary(absl::Span<const Event> events,
                                    std::span<const std::size_t> open, EventAnswers& answers) {
  EventFields fields;
  for (const std::size_t i : open) {
    absl::Status status = CompleteEvent(events[i], &fields);
    if (status.ok()) status = CallHost(events[i].type, fields);
    answers.AnswerOne(i, status);
    if (HostIsGone(status)) return status;
  }
  return absl::OkStatus();
}

absl::Status EventStream::CallHost(std::string_view type, const EventFields& fields) {
  logical::EventReceived event;
  ToProto(type, NewUuid(), fields, &event);
  pb::SendEventRequest request;
  request.set_event_type(std::move(*event.mutable_event_type()));
  *request.mutable_event() = std::move(*event.mutable_event());
  grpc::ClientContext context;
  context.set_deadline(wire::DeadlineAfter(limit_));
  pb::Empty reply;
  return FromGrpc(events_->SendEvent(&context, request, &reply));
}

}  // namespace belfry::internal
