#include "server/plugin_host/plugin_engine.h"

#include <atomic>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/text.h"
#include "grpcpp/generic/generic_stub.h"
#include "proto/belfry/v1/backend.pb.h"
#include "sdk/wire/deadline.h"
#include "server/plugin_host/checked_reply.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/plugin_log.h"
#include "server/plugin_host/reply_conversion.h"

namespace belfry::plugin_host {
namespace {

// How long a process that was killed may take to be gone.
constexpr absl::Duration kTimeToDie = absl::Seconds(5);
// What the log says of the requests that hold up a restart.
constexpr std::size_t kMostNamedPaths = 5;
constexpr std::size_t kMostBytesOfAPath = 200;

constexpr std::string_view kCodeNames[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

// What Vault's clients see of an error that is none of the plugin protocol.
std::string RpcError(const grpc::Status& status) {
  const auto code = static_cast<std::size_t>(status.error_code());
  return Concat({"rpc error: code = ", code < std::size(kCodeNames) ? kCodeNames[code] : "Unknown",
                 " desc = ", status.error_message()});
}

// OK for the errors that the plugin itself answered with.
absl::Status Ended(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError("the plugin did not answer in time");
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
};

}  // namespace

// One call to the plugin and, if that has died, a second one. Owns itself until its callback has
// run.
template <typename Traits>
class PluginEngine::Call {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<typename Traits::Result>)>;

  Call(PluginEngine* engine, pb::Request request, SteadyTime deadline, Done done)
      : engine_(engine), deadline_(deadline), done_(std::move(done)) {
    *args_.mutable_request() = std::move(request);
    engine_->calls_.Add();
  }

  static void Run(PluginEngine* engine, pb::Request request, SteadyTime deadline, Done done) {
    auto call = std::make_unique<Call>(engine, std::move(request), deadline, std::move(done));
    const pb::Request* const sent = &call->args_.request();
    engine->Begin(sent, [call = std::move(call)](
                            absl::StatusOr<std::shared_ptr<PluginInstance>> instance) mutable {
      SendTo(std::move(call), std::move(instance));
    });
  }

 private:
  // What died while nothing was asked of it costs the call none of its attempts.
  static void SendTo(std::unique_ptr<Call> call,
                     absl::StatusOr<std::shared_ptr<PluginInstance>> instance) {
    if (!instance.ok()) return Finish(std::move(call), std::move(instance).status());
    call->instance_ = *std::move(instance);
    if (call->instance_->process().running()) return Send(std::move(call));
    PluginEngine* const engine = call->engine_;
    const PluginInstance* const dead = call->instance_.get();
    engine->Recover(dead, [call = std::move(call)](
                              absl::StatusOr<std::shared_ptr<PluginInstance>> next) mutable {
      if (!next.ok()) return Finish(std::move(call), std::move(next).status());
      call->engine_->Release(std::exchange(call->instance_, *std::move(next)));
      Send(std::move(call));
    });
  }

  static void Send(std::unique_ptr<Call> call) {
    Call* const self = call.get();
    PluginEngine* const engine = self->engine_;
    // This thread's own shares: it may still be within gRPC when the answer has come and the call
    // is over, and with it perhaps the instance or the engine.
    engine->calls_.Add();
    std::shared_ptr<PluginInstance> instance = self->instance_;
    const auto context = std::make_shared<grpc::ClientContext>();
    self->context_ = context;
    instance->Address(*context);
    context->set_deadline(wire::DeadlineAfter(self->deadline_ - SteadyTime::Now()));
    // std::function must be copyable: the callback, which gRPC runs exactly once, takes the
    // ownership back. Nothing of the call is read from here on.
    Call* const released = call.release();
    released->handed_over_.store(true, std::memory_order_release);
    grpc::TemplatedGenericStub<typename Traits::Args, CheckedReply<typename Traits::Reply>> stub(
        instance->process().channel());
    stub.UnaryCall(context.get(), Traits::kMethod, {}, &released->args_, &released->reply_,
                   [released](const grpc::Status& status) {
                     OnReply(std::unique_ptr<Call>(released), status);
                   });
    engine->Release(std::move(instance));
    engine->calls_.Done();
  }

  static void OnReply(std::unique_ptr<Call> call, const grpc::Status& status) {
    (void)call->handed_over_.load(std::memory_order_acquire);
    if (status.ok()) {
      call->instance_->process().NoteAnswer();
      if (!call->reply_.parsed) {
        return Finish(std::move(call),
                      Traits::Refused({grpc::StatusCode::INTERNAL, "malformed reply"}));
      }
      return Finish(std::move(call), Traits::Convert(std::move(call->reply_.message)));
    }
    if (absl::Status ended = Ended(status); !ended.ok()) return Finish(std::move(call), ended);
    if constexpr (std::is_same_v<Traits, WriteTraits>) {
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) return AskTwice(std::move(call));
    }
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE)
      return Finish(std::move(call), Traits::Refused(status));
    if (call->retried_) {
      return Finish(std::move(call), absl::UnavailableError(
                                         Concat({"the plugin died, was restarted and died again: ",
                                                 OneLine(status.error_message())})));
    }
    // A broken connection, unless the plugin itself answers so: finding out, and a restart, takes
    // longer than a callback may.
    PluginEngine* const engine = call->engine_;
    // No reference of its own: nothing here may keep an instance beyond the call's end.
    const PluginInstance* const broken = call->instance_.get();
    engine->Recover(broken, [call = std::move(call), status](
                                absl::StatusOr<std::shared_ptr<PluginInstance>> instance) mutable {
      Retry(std::move(call), status, std::move(instance));
    });
  }

  static void Retry(std::unique_ptr<Call> call, const grpc::Status& status,
                    absl::StatusOr<std::shared_ptr<PluginInstance>> instance) {
    if (!instance.ok()) return Finish(std::move(call), std::move(instance).status());
    if (*instance == call->instance_) {
      instance->reset();
      return Finish(std::move(call), Traits::Refused(status));
    }
    call->retried_ = true;
    call->engine_->Release(std::exchange(call->instance_, *std::move(instance)));
    call->reply_ = {};
    Send(std::move(call));
  }

  // The plugin does not know the call, and so has done nothing.
  static void AskTwice(std::unique_ptr<Call> call) {
    call->instance_->NoteThatItTakesNoWrites();
    call->engine_->Forget(&call->args_.request());
    call->engine_->CheckThenHandle(std::move(*call->args_.mutable_request()), call->deadline_,
                                   std::move(call->done_));
    Leave(std::move(call));
  }

  static void Finish(std::unique_ptr<Call> call, absl::StatusOr<typename Traits::Result> result) {
    call->done_(std::move(result));
    Leave(std::move(call));
  }

  static void Leave(std::unique_ptr<Call> call) {
    PluginEngine* const engine = call->engine_;
    std::shared_ptr<PluginInstance> used = std::move(call->instance_);
    engine->Forget(&call->args_.request());
    call.reset();
    engine->End(std::move(used));
    // Last: the engine may be destroyed from here on.
    engine->calls_.Done();
  }

  PluginEngine* const engine_;
  const SteadyTime deadline_;
  Done done_;
  typename Traits::Args args_;
  CheckedReply<typename Traits::Reply> reply_;
  std::shared_ptr<PluginInstance> instance_;
  // Shared with the thread that sends.
  std::shared_ptr<grpc::ClientContext> context_;
  bool retried_ = false;
  // gRPC orders the sending thread before the callback's. ThreadSanitizer cannot see into gRPC, but
  // it sees this.
  std::atomic<bool> handed_over_ = false;
};

absl::StatusOr<std::unique_ptr<PluginEngine>> PluginEngine::Create(
    std::unique_ptr<InstanceStarter> starter, const mounts::MountEntry& entry,
    std::shared_ptr<Executor> executor, Metrics* metrics, const Limits& limits, Logger logger) {
  absl::StatusOr<PluginProgram> program = starter->Resolve(entry);
  if (!program.ok()) return program.status();
  absl::StatusOr<std::unique_ptr<PluginInstance>> first =
      starter->Start(*program, entry, StartReason::kRequested);
  if (!first.ok()) return ForOperators(first.status());
  // The constructor is private.
  return std::unique_ptr<PluginEngine>(
      new PluginEngine(std::move(starter), {.program = *std::move(program), .entry = entry},
                       *std::move(first), std::move(executor), metrics, limits, std::move(logger)));
}

PluginEngine::PluginEngine(std::unique_ptr<InstanceStarter> starter, LaunchSpec launch_spec,
                           std::unique_ptr<PluginInstance> first,
                           std::shared_ptr<Executor> executor, Metrics* metrics,
                           const Limits& limits, Logger logger)
    : starter_(std::move(starter)),
      executor_(std::move(executor)),
      restarts_(metrics->GetCounter("belfry_plugin_restarts_total",
                                    "Plugins that were restarted because they had died.")),
      limits_(limits),
      logger_(std::move(logger)),
      launch_spec_(std::move(launch_spec)),
      current_(std::move(first)) {}

PluginEngine::~PluginEngine() {
  calls_.Wait();
}

void PluginEngine::Handle(mounts::Request request,
                          absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  const SteadyTime deadline = request.deadline;
  Call<HandleTraits>::Run(this, ToProto(std::move(request)), deadline, std::move(done));
}

void PluginEngine::Write(mounts::Request request,
                         absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  const SteadyTime deadline = request.deadline;
  pb::Request message = ToProto(std::move(request));
  if (!Current()->TakesWrites())
    return CheckThenHandle(std::move(message), deadline, std::move(done));
  Call<WriteTraits>::Run(this, std::move(message), deadline, std::move(done));
}

void PluginEngine::CheckThenHandle(pb::Request request, SteadyTime deadline,
                                   absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done) {
  pb::Request question = request;
  Call<ExistenceTraits>::Run(
      this, std::move(question), deadline,
      [this, request = std::move(request), deadline,
       done = std::move(done)](absl::StatusOr<mounts::Existence> existence) mutable {
        if (!existence.ok()) return done(existence.status());
        if (*existence == mounts::Existence::kMissing)
          request.set_operation(std::string(OperationName(mounts::Operation::kCreate)));
        Call<HandleTraits>::Run(this, std::move(request), deadline, std::move(done));
      });
}

void PluginEngine::CheckExistence(
    mounts::Request request, absl::AnyInvocable<void(absl::StatusOr<mounts::Existence>)> done) {
  const SteadyTime deadline = request.deadline;
  Call<ExistenceTraits>::Run(this, ToProto(std::move(request)), deadline, std::move(done));
}

std::string PluginEngine::RunningVersion() const {
  MutexLock lock(&mutex_);
  return current_->version();
}

std::string PluginEngine::RunningSha256() const {
  MutexLock lock(&mutex_);
  return current_->process().sha256();
}

std::shared_ptr<const mounts::SpecialPaths> PluginEngine::Special() const {
  MutexLock lock(&mutex_);
  return current_->special_paths();
}

void PluginEngine::Begin(const pb::Request* request, Continuation start) {
  absl::StatusOr<std::shared_ptr<PluginInstance>> instance =
      absl::ResourceExhaustedError("too many requests queued for plugin restart; try again");
  {
    MutexLock lock(&mutex_);
    if (holding_ && held_.size() < limits_.max_requests_queued_per_plugin) {
      held_.push_back({request, std::move(start)});
      return;
    }
    // End leaves.
    started_.Add();
    if (!holding_) {
      under_way_.insert(request);
      instance = current_;
    }
  }
  start(std::move(instance));
}

void PluginEngine::Forget(const pb::Request* request) {
  MutexLock lock(&mutex_);
  under_way_.erase(request);
}

void PluginEngine::End(std::shared_ptr<PluginInstance> used) {
  Release(std::move(used));
  started_.Done();
}

void PluginEngine::Release(std::shared_ptr<PluginInstance> used) {
  if (used == nullptr) return;
  {
    MutexLock lock(&mutex_);
    const bool retired = used != current_;
    // Not the last reference: it is the current one, or among the retired.
    used.reset();
    if (!retired) return;
  }
  calls_.Add();
  const bool posted = executor_->Post([this] {
    Sweep();
    calls_.Done();
  });
  // Then the next one does it.
  if (!posted) calls_.Done();
}

absl::Status PluginEngine::Restart(const mounts::MountEntry& entry) {
  absl::StatusOr<PluginProgram> program = starter_->Resolve(entry);
  if (!program.ok()) return program.status();
  {
    MutexLock lock(&mutex_);
    holding_ = true;
  }
  Drain();
  // What it does beside requests must not change what the next one has read.
  Current()->ForbidWrites();
  const std::uint64_t writes_before = starter_->Writes();
  absl::StatusOr<std::unique_ptr<PluginInstance>> started =
      starter_->Start(*program, entry, StartReason::kRequested);
  if (started.ok()) {
    Adopt(*std::move(started));
    MutexLock lock(&mutex_);
    launch_spec_ = {.program = *std::move(program), .entry = entry};
  } else {
    Revert(writes_before);
  }
  ResumeHeld();
  Sweep();
  return ForOperators(started.status());
}

void PluginEngine::Adopt(std::shared_ptr<PluginInstance> instance) {
  MutexLock lock(&mutex_);
  retired_.push_back(std::exchange(current_, std::move(instance)));
}

// An instance that was there before may have kept what is no longer stored so; a fresh one has not.
void PluginEngine::Revert(std::uint64_t writes_before) {
  if (starter_->Writes() != writes_before) {
    LaunchSpec launch_spec;
    {
      MutexLock lock(&mutex_);
      launch_spec = launch_spec_;
    }
    absl::StatusOr<std::unique_ptr<PluginInstance>> fresh =
        starter_->Start(launch_spec.program, launch_spec.entry, StartReason::kRequested);
    if (fresh.ok()) return Adopt(*std::move(fresh));
    logger_.Error(
        "a failed restart has written to the mount's storage, and the plugin could not be "
        "started again as it was before; its process from before goes on",
        {{"mount", launch_spec.entry.path},
         {"reason", std::string(ToStd(fresh.status().message()))}});
  }
  Current()->AllowWrites();
}

void PluginEngine::KillIfSilent() {
  Current()->process().KillIfSilent();
}

// A plugin that hangs ends none of its calls: killed, it ends them all.
void PluginEngine::Drain() {
  for (int waited = 0; !started_.Wait(limits_.plugin_probe_timeout); ++waited) {
    if (waited == 0) LogWhatHoldsUp();
    KillIfSilent();
  }
}

void PluginEngine::LogWhatHoldsUp() const {
  std::string paths;
  std::size_t count = 0;
  std::string mount;
  {
    MutexLock lock(&mutex_);
    count = under_way_.size();
    mount = launch_spec_.entry.path;
    std::size_t named = 0;
    for (const pb::Request* request : under_way_) {
      if (named++ == kMostNamedPaths) break;
      paths += Concat({paths.empty() ? "" : ", ", request->operation(), " ",
                       OneLine(request->path(), kMostBytesOfAPath)});
    }
  }
  logger_.Warn("a restart of the plugin waits for requests under way",
               {{"path", mount}, {"requests", std::to_string(count)}, {"among_them", paths}});
}

void PluginEngine::ResumeHeld() {
  std::vector<Held> held;
  std::shared_ptr<PluginInstance> instance;
  {
    MutexLock lock(&mutex_);
    holding_ = false;
    held.swap(held_);
    instance = current_;
    for (const Held& call : held) {
      started_.Add();
      under_way_.insert(call.request);
    }
  }
  for (Held& call : held) call.start(instance);
}

void PluginEngine::Sweep() {
  std::vector<std::shared_ptr<PluginInstance>> unused;
  MutexLock lock(&mutex_);
  for (std::shared_ptr<PluginInstance>& instance : retired_) {
    if (instance.use_count() == 1) unused.push_back(std::move(instance));
  }
  std::erase(retired_, nullptr);
  // Declared first, destroyed last: not under the lock.
}

std::shared_ptr<PluginInstance> PluginEngine::Current() const {
  MutexLock lock(&mutex_);
  return current_;
}

void PluginEngine::Recover(const PluginInstance* broken, Continuation then) {
  absl::StatusOr<std::shared_ptr<PluginInstance>> now =
      absl::ResourceExhaustedError("too many requests queued for plugin restart; try again");
  bool wait = false;
  {
    MutexLock lock(&mutex_);
    if (current_.get() != broken) {
      now = current_;
    } else if (waiting_.size() < limits_.max_requests_queued_per_plugin) {
      wait = true;
      waiting_.push_back(std::move(then));
      if (recovering_) return;
      recovering_ = true;
      // The engine waits for the recovery, too: it goes on after the last call has its answer.
      calls_.Add();
    }
  }
  if (!wait) return then(std::move(now));
  if (!executor_->Post([this] { EndRecovery(Replace()); }))
    EndRecovery(
        absl::ResourceExhaustedError("too many mounts of the plugin wait for its restart; try "
                                     "again"));
}

void PluginEngine::EndRecovery(absl::StatusOr<std::shared_ptr<PluginInstance>> instance) {
  std::vector<Continuation> waiting;
  {
    MutexLock lock(&mutex_);
    recovering_ = false;
    waiting.swap(waiting_);
  }
  for (Continuation& then : waiting) {
    // A status of its own for each: who drops a shared one last, ThreadSanitizer cannot see.
    if (instance.ok()) {
      then(instance);
    } else {
      then(absl::Status(instance.status().code(), instance.status().message()));
    }
  }
  waiting.clear();
  if (instance.ok()) Release(*std::move(instance));
  // Last: the engine, and with it the mount's storage, may be destroyed from here on.
  calls_.Done();
}

absl::StatusOr<std::shared_ptr<PluginInstance>> PluginEngine::Replace() {
  const std::shared_ptr<PluginInstance> broken = Current();
  if (broken->process().Answers()) return broken;
  // Most likely it is dead already; one that runs but cannot be spoken to is of no use.
  broken->process().Kill();
  if (!broken->process().WaitForExit(kTimeToDie))
    return absl::UnavailableError("the plugin is unresponsive and did not exit after SIGKILL");
  // What it sent before it ended may not have been read yet.
  broken->ForbidWrites();
  LaunchSpec launch_spec;
  {
    MutexLock lock(&mutex_);
    launch_spec = launch_spec_;
  }
  absl::StatusOr<std::unique_ptr<PluginInstance>> started = starter_->Start(
      starter_->Current(launch_spec.program), launch_spec.entry, StartReason::kCrash);
  if (!started.ok()) {
    const absl::Status whole = ForOperators(started.status());
    logger_.Error(
        "a plugin could not be started again",
        {{"path", launch_spec.entry.path}, {"reason", std::string(ToStd(whole.message()))}});
    return ForClients(started.status());
  }
  restarts_.Increment();
  const std::shared_ptr<PluginInstance> current = *std::move(started);
  Adopt(current);
  return current;
}

}  // namespace belfry::plugin_host
