#include "server/plugin_host/event_services.h"

#include <string>
#include <utility>
#include <vector>

#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "server/plugin_host/event_batch.h"
#include "server/plugin_host/unary_call.h"

namespace belfry::plugin_host {
namespace {

using grpc::Status;
using grpc::StatusCode;

// One Publish stream: reads a batch, has it committed, answers, and reads the next. Owned by gRPC
// until OnDone.
class PublishStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  PublishStream(const EventIntake* intake, const MountServices* services)
      : intake_(intake), services_(services) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(Status::OK);
    absl::StatusOr<std::vector<storage::AcceptedEvent>> accepted = AcceptBatch();
    if (!accepted.ok()) return Finish(ToGrpc(accepted.status()));
    intake_->Commit(*std::move(accepted), [this](const absl::Status& committed) {
      if (!committed.ok()) return Finish(ToGrpc(committed));
      StartWrite(&reply_);
    });
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  // And prepares the reply.
  absl::StatusOr<std::vector<storage::AcceptedEvent>> AcceptBatch() {
    grpc::Slice wire;
    if (!request_.DumpToSingleSlice(&wire).ok())
      return absl::InternalError("the batch of events cannot be read");
    const absl::StatusOr<EventBatch> batch = ParseEventBatch(
        {reinterpret_cast<const char*>(wire.begin()), wire.size()}, services_->limits);
    if (!batch.ok()) return batch.status();
    v1::PublishReply reply;
    reply.set_batch(batch->number);
    auto accepted = intake_->Accept(batch->events, reply.mutable_rejected());
    const grpc::Slice answer(reply.SerializeAsString());
    reply_ = grpc::ByteBuffer(&answer, 1);
    return accepted;
  }

  const EventIntake* const intake_;
  const MountServices* const services_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
};

class ProducerService final
    : public v1::EventProducer::WithRawCallbackMethod_Publish<v1::EventProducer::Service> {
 public:
  ProducerService(const EventIntake* intake, const MountServices* services)
      : intake_(intake), services_(services) {}
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Publish(
      grpc::CallbackServerContext*) override {
    return new PublishStream(intake_, services_);
  }

 private:
  const EventIntake* const intake_;
  const MountServices* const services_;
};

class EventsService final : public pb::Events::CallbackService {
 public:
  explicit EventsService(const EventIntake* intake) : intake_(intake) {}

  grpc::ServerUnaryReactor* SendEvent(grpc::CallbackServerContext* context,
                                      const pb::SendEventRequest* request, pb::Empty*) override {
    logical::EventReceived event;
    event.set_event_type(request->event_type());
    *event.mutable_event() = request->event();
    const std::string sent = event.SerializeAsString();
    google::protobuf::RepeatedPtrField<v1::RejectedEvent> rejected;
    auto accepted = intake_->Accept({sent}, &rejected);
    if (!rejected.empty())
      return Finish(context, {static_cast<StatusCode>(rejected[0].code()), rejected[0].reason()});
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    intake_->Commit(std::move(accepted), [reactor](const absl::Status& committed) {
      reactor->Finish(ToGrpc(committed));
    });
    return reactor;
  }

 private:
  const EventIntake* const intake_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewProducerService(const EventIntake* intake,
                                                  const MountServices* services) {
  return std::make_unique<ProducerService>(intake, services);
}

std::unique_ptr<grpc::Service> NewEventsService(const EventIntake* intake) {
  return std::make_unique<EventsService>(intake);
}

}  // namespace belfry::plugin_host
