#include "server/plugin_host/event_services.h"

#include <string>

#include "base/text.h"
#include "google/protobuf/arena.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "server/plugin_host/event_batch.h"
#include "server/plugin_host/unary_call.h"

namespace belfry::plugin_host {
namespace {

using google::protobuf::Arena;
using grpc::Status;
using grpc::StatusCode;

// A batch is thousands of small strings: made and thrown away together, they cost a third.
google::protobuf::ArenaOptions Blocks() {
  google::protobuf::ArenaOptions blocks;
  blocks.start_block_size = 64 * 1024;
  blocks.max_block_size = 1024 * 1024;
  return blocks;
}

// One Publish stream: reads a batch, has it accepted, answers, and reads the next. Owned by gRPC
// until OnDone.
class PublishStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  PublishStream(const EventIntake* acceptor, const MountServices* services)
      : acceptor_(acceptor), services_(services), arena_(Blocks()) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(Status::OK);
    if (Status status = AcceptBatch(); !status.ok()) return Finish(status);
    StartWrite(&reply_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  Status AcceptBatch() {
    grpc::Slice wire;
    if (!request_.DumpToSingleSlice(&wire).ok())
      return {StatusCode::INTERNAL, "the batch of events cannot be read"};
    arena_.Reset();
    const absl::StatusOr<EventBatch> batch = ParseEventBatch(
        {reinterpret_cast<const char*>(wire.begin()), wire.size()}, services_->limits, &arena_);
    if (!batch.ok()) {
      return {static_cast<StatusCode>(batch.status().code()),
              std::string(ToStd(batch.status().message()))};
    }
    v1::PublishReply reply;
    reply.set_batch(batch->number);
    acceptor_->Accept(batch->events, &arena_, reply.mutable_rejected());
    const grpc::Slice answer(reply.SerializeAsString());
    reply_ = grpc::ByteBuffer(&answer, 1);
    return Status::OK;
  }

  const EventIntake* const acceptor_;
  const MountServices* const services_;
  Arena arena_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
};

class ProducerService final
    : public v1::EventProducer::WithRawCallbackMethod_Publish<v1::EventProducer::Service> {
 public:
  ProducerService(const EventIntake* acceptor, const MountServices* services)
      : acceptor_(acceptor), services_(services) {}
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Publish(
      grpc::CallbackServerContext*) override {
    return new PublishStream(acceptor_, services_);
  }

 private:
  const EventIntake* const acceptor_;
  const MountServices* const services_;
};

class EventsService final : public pb::Events::CallbackService {
 public:
  explicit EventsService(const EventIntake* acceptor) : acceptor_(acceptor) {}

  grpc::ServerUnaryReactor* SendEvent(grpc::CallbackServerContext* context,
                                      const pb::SendEventRequest* request, pb::Empty*) override {
    Arena arena;
    auto* const event = Arena::CreateMessage<logical::EventReceived>(&arena);
    event->set_event_type(request->event_type());
    *event->mutable_event() = request->event();
    const SentEvent sent{.event = event, .bytes = event->ByteSizeLong()};
    google::protobuf::RepeatedPtrField<v1::RejectedEvent> rejected;
    acceptor_->Accept({&sent, 1}, &arena, &rejected);
    if (rejected.empty()) return Finish(context);
    return Finish(context, {static_cast<StatusCode>(rejected[0].code()), rejected[0].reason()});
  }

 private:
  const EventIntake* const acceptor_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewProducerService(const EventIntake* acceptor,
                                                  const MountServices* services) {
  return std::make_unique<ProducerService>(acceptor, services);
}

std::unique_ptr<grpc::Service> NewEventsService(const EventIntake* acceptor) {
  return std::make_unique<EventsService>(acceptor);
}

}  // namespace belfry::plugin_host
