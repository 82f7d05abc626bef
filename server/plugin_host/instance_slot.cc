#include "server/plugin_host/instance_slot.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "server/plugin_host/operator_status.h"
#include "server/plugin_host/plugin_log.h"

namespace belfry::plugin_host {
namespace {

// Lines about starts that failed: so many at once, then one each interval.
constexpr int kFailedStartLines = 10;
constexpr std::chrono::seconds kBetweenFailedStartLines(10);
// Lines about requests that were not answered: one each interval.
constexpr std::chrono::seconds kBetweenUnansweredLines(10);
// What the log says of the requests that hold up a restart.
constexpr std::size_t kMostNamedPaths = 5;
constexpr std::size_t kMostBytesOfAPath = 200;

absl::Status TooManyWait() {
  return absl::ResourceExhaustedError("too many requests queued for plugin restart; try again");
}

}  // namespace

InstanceSlot::InstanceSlot(const Starter* starter, LaunchSpec spec, std::unique_ptr<Instance> first,
                           std::shared_ptr<Executor> executor, Metrics* metrics,
                           const Limits& limits, Logger logger)
    : starter_(starter),
      executor_(std::move(executor)),
      restarts_(metrics->GetCounter("belfry_plugin_restarts_total",
                                    "Plugins that were restarted because they had died.")),
      limits_(limits),
      logger_(std::move(logger)),
      failed_starts_(kFailedStartLines, kBetweenFailedStartLines),
      unanswered_(1, kBetweenUnansweredLines),
      spec_(std::move(spec)),
      current_(std::move(first)) {}

InstanceSlot::~InstanceSlot() {
  Stop();
}

InstanceSlot::State InstanceSlot::After(State state, Transition transition) {
  const bool holding = state == State::kHolding || state == State::kHoldingRecovering;
  const bool recovering = state == State::kRecovering || state == State::kHoldingRecovering;
  switch (transition) {
    case Transition::kHold:
      return recovering ? State::kHoldingRecovering : State::kHolding;
    case Transition::kResume:
      return recovering ? State::kRecovering : State::kServing;
    case Transition::kCrash:
      return holding ? State::kHoldingRecovering : State::kRecovering;
    case Transition::kRecovered:
      return holding ? State::kHolding : State::kServing;
    case Transition::kStop:
      break;
  }
  return State::kStopped;
}

void InstanceSlot::Take(Transition transition) {
  state_ = After(state_, transition);
}

InstanceSlot::State InstanceSlot::state() const {
  MutexLock lock(&mutex_);
  return state_;
}

std::shared_ptr<Instance> InstanceSlot::Copy() const {
  MutexLock lock(&mutex_);
  return current_;
}

LaunchSpec InstanceSlot::spec() const {
  MutexLock lock(&mutex_);
  return spec_;
}

void InstanceSlot::Begin(const RequestName* request, Continuation start) {
  // End leaves.
  users_.Add();
  absl::StatusOr<std::shared_ptr<Instance>> instance;
  {
    MutexLock lock(&mutex_);
    switch (state_) {
      case State::kServing:
      case State::kRecovering:
        instance = current_;
        under_way_.insert(request);
        break;
      case State::kHolding:
      case State::kHoldingRecovering:
        if (held_.size() < limits_.max_requests_queued_per_plugin) {
          held_.push_back({request, std::move(start)});
          return;
        }
        instance = TooManyWait();
        break;
      case State::kStopped:
        instance = absl::UnavailableError("the plugin has been stopped");
        break;
    }
    // End leaves, here too.
    started_.Add();
  }
  start(std::move(instance));
}

void InstanceSlot::Forget(const RequestName* request) {
  MutexLock lock(&mutex_);
  under_way_.erase(request);
}

void InstanceSlot::End(std::shared_ptr<Instance> used) {
  Release(std::move(used));
  started_.Done();
  // Last: the slot may be destroyed from here on.
  users_.Done();
}

void InstanceSlot::Release(std::shared_ptr<Instance> used) {
  if (used == nullptr) return;
  {
    MutexLock lock(&mutex_);
    const bool replaced = used != current_;
    // Not the last reference: it is the current one, or among the replaced.
    used.reset();
    if (!replaced) return;
  }
  users_.Add();
  // No more of them than requests that end at once.
  executor_->PostAlways([this] {
    Sweep();
    users_.Done();
  });
}

InstanceSlot::Pin::Pin(InstanceSlot* slot, std::shared_ptr<Instance> instance)
    : slot_(slot), instance_(std::move(instance)) {
  slot_->users_.Add();
}

InstanceSlot::Pin::~Pin() {
  slot_->Release(std::move(instance_));
  // Last: the slot may be destroyed from here on.
  slot_->users_.Done();
}

absl::Status InstanceSlot::Restart(LaunchSpec spec) {
  {
    MutexLock lock(&mutex_);
    Take(Transition::kHold);
  }
  Drain();
  // What it does beside requests must not change what the next one has read.
  Copy()->ForbidWrites();
  const std::uint64_t writes_before = starter_->Writes();
  absl::StatusOr<std::unique_ptr<Instance>> started = starter_->StartRequested(spec);
  absl::Status outcome = ForOperators(started.status());
  if (started.ok()) {
    logger_.Info("plugin reloaded", {{"mount", spec.entry.path},
                                     {"plugin", spec.entry.type},
                                     {"pid", std::to_string((*started)->pid())}});
    Adopt(*std::move(started));
    MutexLock lock(&mutex_);
    spec_ = std::move(spec);
  } else {
    const std::string_view serving = Revert(writes_before);
    outcome = absl::Status(outcome.code(), Concat({ToStd(outcome.message()), "; ", serving}));
  }
  ResumeHeld();
  Sweep();
  return outcome;
}

void InstanceSlot::Adopt(std::shared_ptr<Instance> instance) {
  MutexLock lock(&mutex_);
  replaced_.push_back(std::exchange(current_, std::move(instance)));
}

// An instance that was there before may have kept what is no longer stored so; a fresh one has not.
std::string_view InstanceSlot::Revert(std::uint64_t writes_before) {
  if (starter_->Writes() != writes_before) {
    const LaunchSpec old = spec();
    absl::StatusOr<std::unique_ptr<Instance>> fresh = starter_->StartRequested(old);
    if (fresh.ok()) {
      Adopt(*std::move(fresh));
      return "the mount goes on with its plugin restarted as it was before";
    }
    logger_.Error(
        "a failed restart has written to the mount's storage, and the plugin could not be "
        "started again as it was before",
        {{"mount", old.entry.path},
         {"reason", std::string(ToStd(fresh.status().message()))},
         {"now", std::string(WhatGoesOn())}});
  }
  Copy()->AllowWrites();
  return WhatGoesOn();
}

std::string_view InstanceSlot::WhatGoesOn() const {
  return Copy()->running() ? "the mount goes on with the process that it had"
                           : "the mount has no process now, and its next request starts one";
}

void InstanceSlot::NoteUnanswered(const absl::Status& failure) {
  const std::optional<std::uint64_t> left_out = unanswered_.Take();
  if (!left_out) return;
  const mounts::MountEntry entry = spec().entry;
  logger_.Warn("the plugin did not answer a request in time",
               {{"plugin", entry.type},
                {"mount", entry.path},
                {"reason", std::string(ToStd(failure.message()))},
                {"suppressed", std::to_string(*left_out)}});
}

void InstanceSlot::NoteDisabling(bool disabling) {
  MutexLock lock(&mutex_);
  disabling_ = disabling;
}

absl::Status InstanceSlot::Explained(absl::Status failure) const {
  if (starter_->Stopping()) {
    return absl::AbortedError(
        "the server is stopping; the request may or may not have been carried out");
  }
  MutexLock lock(&mutex_);
  const bool reloading = state_ == State::kHolding || state_ == State::kHoldingRecovering;
  if (!disabling_ && !reloading) return failure;
  return absl::AbortedError(
      Concat({disabling_ ? "the mount \"" : "the plugin of the mount \"", spec_.entry.path,
              disabling_ ? "\" is being disabled" : "\" is being reloaded",
              ", which has interrupted the request; it may or may not have been carried out (",
              ToStd(failure.message()), ")"}));
}

// A plugin that hangs ends none of its requests: killed, it ends them all.
void InstanceSlot::Drain() {
  for (int waited = 0; !started_.Wait(limits_.plugin_probe_timeout); ++waited) {
    if (waited == 0) LogWhatHoldsUp();
    Copy()->KillIfSilent();
  }
}

void InstanceSlot::LogWhatHoldsUp() const {
  std::string paths;
  std::size_t count = 0;
  std::string mount;
  {
    MutexLock lock(&mutex_);
    count = under_way_.size();
    mount = spec_.entry.path;
    std::size_t named = 0;
    for (const RequestName* request : under_way_) {
      if (named++ == kMostNamedPaths) break;
      paths += Concat({paths.empty() ? "" : ", ", request->operation, " ",
                       OneLine(request->path, kMostBytesOfAPath)});
    }
  }
  logger_.Warn("a restart of the plugin waits for requests under way",
               {{"path", mount}, {"requests", std::to_string(count)}, {"among_them", paths}});
}

void InstanceSlot::ResumeHeld() {
  std::vector<Held> held;
  std::shared_ptr<Instance> instance;
  {
    MutexLock lock(&mutex_);
    Take(Transition::kResume);
    held.swap(held_);
    instance = current_;
    for (const Held& request : held) {
      started_.Add();
      under_way_.insert(request.request);
    }
  }
  for (Held& request : held) request.start(instance);
}

void InstanceSlot::Sweep() {
  std::vector<std::shared_ptr<Instance>> unused;
  MutexLock lock(&mutex_);
  for (std::shared_ptr<Instance>& instance : replaced_) {
    if (instance.use_count() == 1) unused.push_back(std::move(instance));
  }
  std::erase(replaced_, nullptr);
  // Declared first, destroyed last: not under the lock.
}

void InstanceSlot::Recover(const Instance* broken, Continuation then) {
  absl::StatusOr<std::shared_ptr<Instance>> now = TooManyWait();
  bool wait = false;
  {
    MutexLock lock(&mutex_);
    if (current_.get() != broken) {
      now = current_;
    } else if (waiting_.size() < limits_.max_requests_queued_per_plugin) {
      wait = true;
      waiting_.push_back(std::move(then));
      if (state_ == State::kRecovering || state_ == State::kHoldingRecovering) return;
      Take(Transition::kCrash);
      // The slot waits for the recovery, too: it goes on after the last request has its answer.
      users_.Add();
    }
  }
  if (!wait) return then(std::move(now));
  if (!executor_->Post([this] { EndRecovery(Replace()); }))
    EndRecovery(
        absl::ResourceExhaustedError("too many mounts of the plugin wait for its restart; try "
                                     "again"));
}

void InstanceSlot::EndRecovery(absl::StatusOr<std::shared_ptr<Instance>> instance) {
  std::vector<Continuation> waiting;
  {
    MutexLock lock(&mutex_);
    Take(Transition::kRecovered);
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
  // Last: the slot, and with it the mount's storage, may be destroyed from here on.
  users_.Done();
}

absl::StatusOr<std::shared_ptr<Instance>> InstanceSlot::Replace() {
  const std::shared_ptr<Instance> broken = Copy();
  switch (broken->KillIfSilent()) {
    case Instance::Found::kAnswers:
      return broken;
    case Instance::Found::kDoesNotEnd:
      return absl::UnavailableError("the plugin is unresponsive and did not exit after SIGKILL");
    case Instance::Found::kEnded:
      break;
  }
  // What it sent before it ended may not have been read yet.
  broken->ForbidWrites();
  const LaunchSpec crashed = spec();
  absl::StatusOr<std::unique_ptr<Instance>> started = starter_->StartAfterCrash(crashed);
  if (!started.ok()) {
    LogFailedStart(crashed.entry.path, started.status());
    return ForClients(started.status());
  }
  restarts_.Increment();
  // Shared from here on: with the requests that go on with it.
  const std::shared_ptr<Instance> current = *std::move(started);
  Adopt(current);
  return current;
}

// That nothing starts while the server stops is no failure.
void InstanceSlot::LogFailedStart(const std::string& mount, const absl::Status& failure) {
  if (starter_->Stopping()) return;
  const std::optional<std::uint64_t> left_out = failed_starts_.Take();
  if (!left_out) return;
  logger_.Error("a plugin could not be started again",
                {{"path", mount},
                 {"reason", std::string(ToStd(ForOperators(failure).message()))},
                 {"suppressed", std::to_string(*left_out)}});
}

void InstanceSlot::Stop() {
  users_.Wait();
  std::vector<std::shared_ptr<Instance>> ended;
  MutexLock lock(&mutex_);
  Take(Transition::kStop);
  ended.swap(replaced_);
  ended.push_back(std::move(current_));
  // Declared first, destroyed last: not under the lock.
}

}  // namespace belfry::plugin_host
