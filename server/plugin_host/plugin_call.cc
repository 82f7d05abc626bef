#include "server/plugin_host/plugin_call.h"

#include <atomic>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/text.h"
#include "grpcpp/generic/generic_stub.h"
#include "proto/belfry/v1/backend.pb.h"
#include "sdk/wire/deadline.h"
#include "server/plugin_host/checked_reply.h"
#include "server/plugin_host/plugin_instance.h"
#include "server/plugin_host/plugin_log.h"
#include "server/plugin_host/reply_conversion.h"

namespace belfry::plugin_host {
namespace {

// Longer than a request that waits for nothing takes from its authorisation to its RPC.
constexpr absl::Duration kMoment = absl::Milliseconds(1);

constexpr std::string_view kCodeNames[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

// A client that repeats the request by itself would have it carried out twice.
constexpr char kStored[] =
    "the plugin died after changes of this request were stored, and its answer is lost: the "
    "request was not sent again. Read what is stored before you repeat it";

// What Vault's clients see of an error that is none of the plugin protocol.
std::string RpcError(const grpc::Status& status) {
  const auto code = static_cast<std::size_t>(status.error_code());
  return Concat({"rpc error: code = ", code < std::size(kCodeNames) ? kCodeNames[code] : "Unknown",
                 " desc = ", status.error_message()});
}

// To whole seconds where there are any: "90s", "50ms".
std::string Rounded(absl::Duration time) {
  const absl::Duration unit = time < absl::Seconds(1) ? absl::Milliseconds(1) : absl::Seconds(1);
  return absl::FormatDuration(absl::Floor(time + unit / 2, unit));
}

absl::Status TooLate(const pb::Request& request, absl::Duration waited) {
  const std::string& mount = request.mount_point();
  return absl::DeadlineExceededError(Concat(
      {"the plugin \"", request.mount_type(), "\" of the mount \"", mount,
       "\" did not answer within ", Rounded(waited),
       "; the request may or may not have been carried out. If the plugin hangs, an operator can "
       "reload it: PUT sys/plugins/reload/backend {\"mounts\":\"",
       mount, "\"}"}));
}

// OK for the errors that the plugin itself answered with.
absl::Status Ended(const grpc::Status& status, const pb::Request& request, absl::Duration waited) {
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return TooLate(request, waited);
    case grpc::StatusCode::CANCELLED:
      return absl::CancelledError("the request was cancelled");
    default:
      return absl::OkStatus();
  }
}

// What an existence check could not tell.
absl::Status ExistenceFailure(const pb::ProtoError& error) {
  const mounts::EngineError converted = FromProto(error);
  return IsUserError(error) ? absl::InvalidArgumentError(converted.message)
                            : absl::InternalError(converted.message);
}

struct HandleTraits {
  using Args = pb::HandleRequestArgs;
  using Reply = pb::HandleRequestReply;
  using Result = mounts::Reply;
  static constexpr char kMethod[] = "/pb.Backend/HandleRequest";
  static absl::StatusOr<Result> Convert(Reply reply) { return FromProto(std::move(reply)); }
  static absl::StatusOr<Result> Refused(const grpc::Status& status) {
    return Result{.response = std::nullopt,
                  .error = mounts::EngineError{.http_status = 500, .message = RpcError(status)}};
  }
  static absl::StatusOr<Result> Stored() {
    return Result{.response = std::nullopt,
                  .error = mounts::EngineError{.http_status = 409, .message = kStored}};
  }
};

struct ExistenceTraits {
  using Args = pb::HandleExistenceCheckArgs;
  using Reply = pb::HandleExistenceCheckReply;
  using Result = mounts::Existence;
  static constexpr char kMethod[] = "/pb.Backend/HandleExistenceCheck";
  static absl::StatusOr<Result> Convert(const Reply& reply) {
    if (IsError(reply.err())) {
      // A path that the plugin does not know is its business when the request itself arrives.
      if (FromProto(reply.err()).http_status == 404) return mounts::Existence::kUnknown;
      return ExistenceFailure(reply.err());
    }
    if (!reply.check_found()) return mounts::Existence::kUnknown;
    return reply.exists() ? mounts::Existence::kExists : mounts::Existence::kMissing;
  }
  static absl::StatusOr<Result> Refused(const grpc::Status& status) {
    return absl::InternalError(RpcError(status));
  }
  static absl::StatusOr<Result> Stored() { return absl::InternalError(kStored); }
};

struct WriteTraits {
  using Args = pb::HandleRequestArgs;
  using Reply = v1::WriteReply;
  using Result = mounts::Reply;
  static constexpr char kMethod[] = "/belfry.v1.Backend/Write";
  static absl::StatusOr<Result> Convert(Reply reply) {
    if (IsError(reply.existence_error())) return ExistenceFailure(reply.existence_error());
    return FromProto(std::move(*reply.mutable_reply()));
  }
  static absl::StatusOr<Result> Refused(const grpc::Status& status) {
    return HandleTraits::Refused(status);
  }
  static absl::StatusOr<Result> Stored() { return HandleTraits::Stored(); }
};

// What a write is for a plugin that takes none: two questions.
void CheckThenHandle(InstanceSlot* slot, PluginRequest request,
                     absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done);

using InstanceOr = absl::StatusOr<std::shared_ptr<Instance>>;

// One RPC to the plugin and, if that has died, a second one. Owns itself until its callback has
// run.
template <typename Traits>
class PluginCall {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<typename Traits::Result>)>;

  PluginCall(InstanceSlot* slot, PluginRequest request, Done done)
      : slot_(slot),
        deadline_(request.deadline),
        still_allowed_(std::move(request.still_allowed)),
        allowed_at_(request.allowed_at),
        done_(std::move(done)),
        stored_requests_(std::move(request.stored_requests)),
        under_way_(stored_requests_, request.message.id()) {
    *args_.mutable_request() = std::move(request.message);
    name_ = {.operation = args_.request().operation(), .path = args_.request().path()};
  }

  static void Run(InstanceSlot* slot, PluginRequest request, Done done) {
    auto call = std::make_unique<PluginCall>(slot, std::move(request), std::move(done));
    const RequestName* const name = &call->name_;
    slot->Begin(name, [call = std::move(call)](InstanceOr instance) mutable {
      SendTo(std::move(call), std::move(instance));
    });
  }

 private:
  // What died while nothing was asked of it costs the call none of its attempts.
  static void SendTo(std::unique_ptr<PluginCall> call, InstanceOr instance) {
    if (!instance.ok()) return Finish(std::move(call), std::move(instance).status());
    call->instance_ = *std::move(instance);
    if (call->instance_->running()) return Send(std::move(call));
    InstanceSlot* const slot = call->slot_;
    const Instance* const dead = call->instance_.get();
    slot->Recover(dead, [call = std::move(call)](InstanceOr next) mutable {
      if (!next.ok()) return Finish(std::move(call), std::move(next).status());
      GoOnWith(*std::move(next), std::move(call));
    });
  }

  static void GoOnWith(std::shared_ptr<Instance> next, std::unique_ptr<PluginCall> call) {
    call->slot_->Release(std::exchange(call->instance_, std::move(next)));
    Send(std::move(call));
  }

  // Rights may have gone while it waited.
  bool IsStillAllowed() const {
    return !still_allowed_ || SteadyTime::Now() - allowed_at_ < kMoment ||
           still_allowed_(args_.request().data());
  }

  static void Send(std::unique_ptr<PluginCall> call) {
    if (!call->IsStillAllowed())
      return Finish(std::move(call), absl::PermissionDeniedError("permission denied"));
    PluginCall* const self = call.get();
    // This thread's own shares: it may still be within gRPC when the answer has come and the call
    // is over, and with it perhaps the instance or the slot.
    const InstanceSlot::Pin pin(self->slot_, self->instance_);
    PluginInstance& instance = PluginInstance::Of(*pin);
    const auto context = std::make_shared<grpc::ClientContext>();
    self->context_ = context;
    instance.Address(*context);
    context->set_deadline(wire::DeadlineAfter(self->deadline_ - SteadyTime::Now()));
    // std::function must be copyable: the callback, which gRPC runs exactly once, takes the
    // ownership back. Nothing of the call is read from here on.
    PluginCall* const released = call.release();
    released->handed_over_.store(true, std::memory_order_release);
    grpc::TemplatedGenericStub<typename Traits::Args, CheckedReply<typename Traits::Reply>> stub(
        instance.channel());
    stub.UnaryCall(context.get(), Traits::kMethod, {}, &released->args_, &released->reply_,
                   [released](const grpc::Status& status) {
                     OnReply(std::unique_ptr<PluginCall>(released), status);
                   });
  }

  static void OnReply(std::unique_ptr<PluginCall> call, const grpc::Status& status) {
    (void)call->handed_over_.load(std::memory_order_acquire);
    if (status.ok()) {
      PluginInstance::Of(*call->instance_).NoteAnswer();
      if (!call->reply_.parsed) {
        return Finish(std::move(call),
                      Traits::Refused({grpc::StatusCode::INTERNAL, "malformed reply"}));
      }
      // First: of two arguments, the call might be moved from before the other is evaluated.
      absl::StatusOr<typename Traits::Result> result =
          Traits::Convert(std::move(call->reply_.message));
      return Finish(std::move(call), std::move(result));
    }
    if (absl::Status ended = Ended(status, call->args_.request(), SteadyTime::Now() - call->begun_);
        !ended.ok()) {
      if (absl::IsDeadlineExceeded(ended)) call->slot_->NoteUnanswered(ended);
      return Finish(std::move(call), ended);
    }
    if constexpr (std::is_same_v<Traits, WriteTraits>) {
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) return AskTwice(std::move(call));
    }
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE)
      return Finish(std::move(call), Traits::Refused(status));
    if (call->retried_) {
      if (call->under_way_.HasStored()) return Finish(std::move(call), Traits::Stored());
      return Finish(std::move(call), absl::UnavailableError(
                                         Concat({"the plugin died, was restarted and died again: ",
                                                 OneLine(status.error_message())})));
    }
    // A broken connection, unless the plugin itself answers so: finding out, and a restart, takes
    // longer than a callback may.
    InstanceSlot* const slot = call->slot_;
    // No reference of its own: nothing here may keep an instance beyond the call's end.
    const Instance* const broken = call->instance_.get();
    slot->Recover(broken, [call = std::move(call), status](InstanceOr next) mutable {
      Retry(std::move(call), status, std::move(next));
    });
  }

  static void Retry(std::unique_ptr<PluginCall> call, const grpc::Status& status, InstanceOr next) {
    const bool stored = call->under_way_.HasStored();
    if (!next.ok())
      return Finish(std::move(call), stored ? Traits::Stored() : std::move(next).status());
    if (*next == call->instance_) {
      next->reset();
      return Finish(std::move(call), Traits::Refused(status));
    }
    if (stored) {
      call->slot_->Release(std::exchange(call->instance_, *std::move(next)));
      return Finish(std::move(call), Traits::Stored());
    }
    call->retried_ = true;
    call->reply_ = {};
    GoOnWith(*std::move(next), std::move(call));
  }

  // The plugin does not know the call, and so has done nothing.
  static void AskTwice(std::unique_ptr<PluginCall> call) {
    PluginInstance::Of(*call->instance_).NoteThatItTakesNoWrites();
    call->slot_->Forget(&call->name_);
    CheckThenHandle(call->slot_,
                    {.message = std::move(*call->args_.mutable_request()),
                     .deadline = call->deadline_,
                     .still_allowed = std::move(call->still_allowed_),
                     .allowed_at = call->allowed_at_,
                     .stored_requests = call->stored_requests_},
                    std::move(call->done_));
    Leave(std::move(call));
  }

  static void Finish(std::unique_ptr<PluginCall> call,
                     absl::StatusOr<typename Traits::Result> result) {
    // The host may have ended the plugin itself.
    if (absl::IsUnavailable(result.status()))
      result = call->slot_->Explained(std::move(result).status());
    call->done_(std::move(result));
    Leave(std::move(call));
  }

  static void Leave(std::unique_ptr<PluginCall> call) {
    InstanceSlot* const slot = call->slot_;
    std::shared_ptr<Instance> used = std::move(call->instance_);
    slot->Forget(&call->name_);
    call.reset();
    // Last: the slot may be destroyed from here on.
    slot->End(std::move(used));
  }

  InstanceSlot* const slot_;
  const SteadyTime begun_ = SteadyTime::Now();
  const SteadyTime deadline_;
  std::function<bool(std::string_view data)> still_allowed_;
  const SteadyTime allowed_at_;
  Done done_;
  const std::shared_ptr<StoredRequests> stored_requests_;
  const StoredRequests::UnderWay under_way_;
  typename Traits::Args args_;
  RequestName name_;
  CheckedReply<typename Traits::Reply> reply_;
  std::shared_ptr<Instance> instance_;
  // Shared with the thread that sends.
  std::shared_ptr<grpc::ClientContext> context_;
  bool retried_ = false;
  // gRPC orders the sending thread before the callback's. ThreadSanitizer cannot see into gRPC, but
  // it sees this.
  std::atomic<bool> handed_over_ = false;
};

void CheckThenHandle(InstanceSlot* slot, PluginRequest request,
                     absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  PluginRequest question = request;
  PluginCall<ExistenceTraits>::Run(
      slot, std::move(question),
      [slot, request = std::move(request),
       done = std::move(done)](absl::StatusOr<mounts::Existence> existence) mutable {
        if (!existence.ok()) return done(existence.status());
        if (*existence == mounts::Existence::kMissing)
          request.message.set_operation(std::string(OperationName(mounts::Operation::kCreate)));
        PluginCall<HandleTraits>::Run(slot, std::move(request), std::move(done));
      });
}

}  // namespace

void CallHandleRequest(InstanceSlot* slot, PluginRequest request,
                       absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  PluginCall<HandleTraits>::Run(slot, std::move(request), std::move(done));
}

void CallExistenceCheck(InstanceSlot* slot, PluginRequest request,
                        absl::AnyInvocable<void(absl::StatusOr<mounts::Existence>)> done) {
  PluginCall<ExistenceTraits>::Run(slot, std::move(request), std::move(done));
}

void CallWrite(InstanceSlot* slot, PluginRequest request,
               absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  if (!PluginInstance::Of(*slot->Current()).TakesWrites())
    return CheckThenHandle(slot, std::move(request), std::move(done));
  PluginCall<WriteTraits>::Run(slot, std::move(request), std::move(done));
}

}  // namespace belfry::plugin_host
