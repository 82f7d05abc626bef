#include "server/plugin_host/plugin_engine.h"

#include <utility>

#include "server/base/text.h"
#include "server/plugin_host/reply_conversion.h"

namespace belfry::plugin_host {
namespace {

// How long a connection may be broken before the process must have ended, too.
constexpr absl::Duration kTimeToDie = absl::Seconds(2);

absl::Status FromGrpc(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError("the plugin did not answer in time");
    case grpc::StatusCode::CANCELLED:
      return absl::CancelledError("the request was cancelled");
    default:
      return absl::UnavailableError(
          Concat({"rpc error: code = ", std::to_string(status.error_code()),
                  " desc = ", status.error_message()}));
  }
}

struct HandleTraits {
  using Args = pb::HandleRequestArgs;
  using Reply = pb::HandleRequestReply;
  using Result = mounts::Reply;
  static void Start(pb::Backend::Stub& stub, grpc::ClientContext* context, const Args* args,
                    Reply* reply, std::function<void(grpc::Status)> done) {
    stub.async()->HandleRequest(context, args, reply, std::move(done));
  }
  static absl::StatusOr<Result> Convert(Reply reply) { return FromProto(std::move(reply)); }
};

struct ExistenceTraits {
  using Args = pb::HandleExistenceCheckArgs;
  using Reply = pb::HandleExistenceCheckReply;
  using Result = mounts::Existence;
  static void Start(pb::Backend::Stub& stub, grpc::ClientContext* context, const Args* args,
                    Reply* reply, std::function<void(grpc::Status)> done) {
    stub.async()->HandleExistenceCheck(context, args, reply, std::move(done));
  }
  static absl::StatusOr<Result> Convert(const Reply& reply) {
    if (reply.has_err()) {
      const mounts::EngineError error = FromProto(reply.err());
      // A path that the plugin does not know is its business when the request itself arrives.
      if (error.http_status == 404) return mounts::Existence::kUnknown;
      return absl::InternalError(error.message);
    }
    if (!reply.check_found()) return mounts::Existence::kUnknown;
    return reply.exists() ? mounts::Existence::kExists : mounts::Existence::kMissing;
  }
};

}  // namespace

// One call to the plugin and, if that has died, a second one. Owns itself until its callback has
// run.
template <typename Traits>
class PluginEngine::Call {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<typename Traits::Result>)>;

  Call(PluginEngine* engine, mounts::Request request, Done done)
      : engine_(engine), deadline_(request.deadline), done_(std::move(done)) {
    *args_.mutable_request() = ToProto(std::move(request));
    engine_->calls_.Enter();
  }

  static void Run(std::unique_ptr<Call> call) {
    call->instance_ = call->engine_->Current();
    Send(std::move(call));
  }

 private:
  static void Send(std::unique_ptr<Call> call) {
    Call* const self = call.get();
    self->context_ = std::make_unique<grpc::ClientContext>();
    self->instance_->Address(*self->context_);
    if (self->deadline_ != absl::InfiniteFuture())
      self->context_->set_deadline(absl::ToChronoTime(self->deadline_));
    // std::function must be copyable: the callback, which gRPC runs exactly once, takes the
    // ownership back.
    Call* const released = call.release();
    Traits::Start(self->instance_->backend(), self->context_.get(), &self->args_, &self->reply_,
                  [released](const grpc::Status& status) {
                    OnReply(std::unique_ptr<Call>(released), status);
                  });
  }

  static void OnReply(std::unique_ptr<Call> call, const grpc::Status& status) {
    if (status.ok()) return Finish(std::move(call), Traits::Convert(std::move(call->reply_)));
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE || call->retried_)
      return Finish(std::move(call), FromGrpc(status));
    // A broken connection: whether the plugin has died, and its restart, takes longer than a
    // callback may.
    Call* const released = call.release();
    if (!released->engine_->executor_->Post(
            [released] { Retry(std::unique_ptr<Call>(released)); })) {
      Finish(
          std::unique_ptr<Call>(released),
          absl::UnavailableError("the plugin has died and too many requests wait for its restart"));
    }
  }

  static void Retry(std::unique_ptr<Call> call) {
    call->retried_ = true;
    absl::StatusOr<std::shared_ptr<PluginInstance>> instance =
        call->engine_->Replace(call->instance_);
    if (!instance.ok()) return Finish(std::move(call), instance.status());
    call->instance_ = *std::move(instance);
    call->reply_.Clear();
    Send(std::move(call));
  }

  static void Finish(std::unique_ptr<Call> call, absl::StatusOr<typename Traits::Result> result) {
    call->done_(std::move(result));
    PluginEngine* const engine = call->engine_;
    call.reset();
    // Last: the engine may be destroyed from here on.
    engine->calls_.Leave();
  }

  PluginEngine* const engine_;
  const absl::Time deadline_;
  Done done_;
  typename Traits::Args args_;
  typename Traits::Reply reply_;
  std::shared_ptr<PluginInstance> instance_;
  std::unique_ptr<grpc::ClientContext> context_;
  bool retried_ = false;
};

PluginEngine::PluginEngine(std::unique_ptr<PluginInstance> first, StartInstance start,
                           std::string sha256, Executor* executor, Metrics* metrics, Logger logger)
    : start_(std::move(start)),
      sha256_(std::move(sha256)),
      executor_(executor),
      restarts_(metrics->GetCounter("belfry_plugin_restarts_total",
                                    "Plugins that were started anew because they had died.")),
      logger_(std::move(logger)),
      current_(std::move(first)) {}

PluginEngine::~PluginEngine() {
  calls_.WaitUntilEmpty();
}

void PluginEngine::Handle(mounts::Request request,
                          absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  Call<HandleTraits>::Run(
      std::make_unique<Call<HandleTraits>>(this, std::move(request), std::move(done)));
}

void PluginEngine::CheckExistence(
    mounts::Request request, absl::AnyInvocable<void(absl::StatusOr<mounts::Existence>)> done) {
  Call<ExistenceTraits>::Run(
      std::make_unique<Call<ExistenceTraits>>(this, std::move(request), std::move(done)));
}

std::string PluginEngine::RunningVersion() const {
  return Current()->version();
}

std::shared_ptr<PluginInstance> PluginEngine::Current() const {
  MutexLock lock(&mutex_);
  return current_;
}

absl::StatusOr<std::shared_ptr<PluginInstance>> PluginEngine::Replace(
    const std::shared_ptr<PluginInstance>& dead) {
  MutexLock one_at_a_time(&restart_mutex_);
  if (std::shared_ptr<PluginInstance> current = Current(); current != dead) return current;
  if (!dead->process().WaitForExit(kTimeToDie)) {
    return absl::UnavailableError(
        "the connection to the plugin is broken although it still runs; try again");
  }
  logger_.Warn("a plugin has died and is started anew");
  absl::StatusOr<std::unique_ptr<PluginInstance>> started = start_();
  if (!started.ok()) return started.status();
  restarts_.Increment();
  std::erase_if(retired_, [](const std::shared_ptr<PluginInstance>& instance) {
    return instance.use_count() == 1;
  });
  retired_.push_back(dead);
  const std::shared_ptr<PluginInstance> current = *std::move(started);
  MutexLock lock(&mutex_);
  current_ = current;
  return current;
}

}  // namespace belfry::plugin_host
