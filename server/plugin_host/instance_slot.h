#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/log_throttle.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/wait_group.h"
#include "server/mounts/mount_entry.h"
#include "server/plugin_host/plugin_program.h"

namespace belfry::plugin_host {

// One mount in one plugin process, as far as InstanceSlot needs it. Thread-safe. Destroying it may
// block.
class Instance {
 public:
  virtual ~Instance() = default;
  // Looks whether its process can be spoken to. One that cannot is killed, unless it ends by
  // itself, and its end is waited for: then every call to it has ended, too. Blocks for
  // Limits::plugin_probe_timeout, and a few seconds for the end.
  enum class Found { kAnswers, kEnded, kDoesNotEnd };
  virtual Found KillIfSilent() = 0;
  // Of its process, for the log.
  virtual pid_t pid() const = 0;
  virtual bool running() const = 0;
  // Whether what it writes to the mount's storage is refused.
  virtual void AllowWrites() const = 0;
  virtual void ForbidWrites() const = 0;
};

// What an instance is made from.
struct LaunchSpec {
  PluginProgram program;
  mounts::MountEntry entry;
};

// What the log says of a request. Points into the request.
struct RequestName {
  std::string_view operation;
  std::string_view path;
};

// Which instance of a plugin serves a mount. Requests get the current one; a restart holds them
// back until it has ended, and a crash that one of them reports is recovered from once for all that
// it interrupts. Knows neither processes nor RPCs. Thread-safe. (plugin-protocol 6.4)
//
// A request calls Begin, Recover as often as its instance breaks, Forget, and last End. All
// callbacks run without the slot's lock.
class InstanceSlot {
 public:
  enum class State {
    kServing,            // Requests get the current instance at once.
    kRecovering,         // They still do; those that found it broken wait for its replacement.
    kHolding,            // A restart: requests under way end on the old instance, new ones wait.
    kHoldingRecovering,  // One of those under way at a restart found the old instance broken.
    kStopped,            // There is no instance any more.
  };

  // Starts instances. Both block for as long as a plugin may take; never called on a thread of
  // gRPC. Of their errors, clients see what ForClients leaves.
  class Starter {
   public:
    virtual ~Starter() = default;
    // Because an operator has asked for it.
    virtual absl::StatusOr<std::unique_ptr<Instance>> StartRequested(
        const LaunchSpec& spec) const = 0;
    // In place of one that has died. A program that the catalog takes as it lies in its folder is
    // started as it lies there now.
    virtual absl::StatusOr<std::unique_ptr<Instance>> StartAfterCrash(
        const LaunchSpec& spec) const = 0;
    // How often the mount's instances have been let write to its storage.
    virtual std::uint64_t Writes() const = 0;
    // The server is stopping: what is running ends, and nothing starts any more.
    virtual bool Stopping() const = 0;
  };

  // The instance to go on with, or why there is none.
  using Continuation = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<Instance>>)>;

  // Serves with `first`, which was started from `spec`. `starter` and `metrics` must outlive the
  // slot. `executor`, where it recovers, is shared with mounts that may wait for the same plugin.
  InstanceSlot(const Starter* starter, LaunchSpec spec, std::unique_ptr<Instance> first,
               std::shared_ptr<Executor> executor, Metrics* metrics, const Limits& limits,
               Logger logger);
  // Stop.
  ~InstanceSlot();

  // Gives `start` the current instance: at once, or when a restart has ended, in the order of
  // arrival. ResourceExhausted when too many wait for that already; Unavailable once stopped.
  // `request`, and what it points into, lives and does not change until Forget.
  void Begin(const RequestName* request, Continuation start);
  // For a request whose connection to `broken` broke. Does not block: `then` runs at once when
  // another instance has taken its place already, else on the executor. It gets `broken` itself
  // when that still answers. All that wait are served by one start. ResourceExhausted when too many
  // wait already.
  void Recover(const Instance* broken, Continuation then);
  // The request goes on without this instance; null is none. Does not block: a replaced one that
  // this was the last to use is destroyed on the executor.
  void Release(std::shared_ptr<Instance> used);
  void Forget(const RequestName* request);
  // The request is over; `used` is what it was sent to last, null if it was not. The slot may be
  // destroyed as soon as this has returned.
  void End(std::shared_ptr<Instance> used);

  // Goes on with an instance made from `spec`: lets requests under way end, holds back new ones,
  // and starts it. After an error the old instance goes on; if the one that failed has written to
  // the mount's storage, the old one is started again, so that it holds nothing from before. The
  // error is for operators, and says which of the two it is. Blocks; one call at a time.
  absl::Status Restart(LaunchSpec spec);
  // What serves the mount after a restart that has failed before it changed anything, as the end
  // of a sentence.
  std::string_view WhatGoesOn() const;
  // Says in the log what the client was told whose request was given up; not of each.
  void NoteUnanswered(const absl::Status& failure);
  // The mount is being taken out of service, or is not after all: what fails meanwhile says so.
  void NoteDisabling(bool disabling);
  // What a client is told of a request whose instance has broken. Aborted, with the reason, when
  // the host has ended the instance, or may have: it is stopping, or an operator disables the mount
  // or reloads its plugin. Else `failure` itself.
  absl::Status Explained(absl::Status failure) const;
  // Waits for the requests that have begun and for a recovery, then destroys the instances. Nothing
  // but Begin may be called afterwards.
  void Stop();

  // Keeps an instance, and the slot, for as long as somebody looks at it or is within a call to it.
  class Pin {
   public:
    // Of a request that has begun and has not ended.
    Pin(InstanceSlot* slot, std::shared_ptr<Instance> instance);
    ~Pin();
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;

    Instance& operator*() const { return *instance_; }
    Instance* operator->() const { return instance_.get(); }

   private:
    InstanceSlot* const slot_;
    std::shared_ptr<Instance> instance_;
  };
  Pin Current() { return {this, Copy()}; }
  State state() const;

 private:
  // What moves the slot from one state to another.
  enum class Transition { kHold, kResume, kCrash, kRecovered, kStop };
  struct Held {
    const RequestName* request = nullptr;
    Continuation start;
  };

  static State After(State state, Transition transition);
  void Take(Transition transition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Instance> Copy() const;
  LaunchSpec spec() const;
  // Returns when no request is with the plugin.
  void Drain();
  void LogWhatHoldsUp() const;
  // Goes on with another instance: requests under way stay with theirs.
  void Adopt(std::shared_ptr<Instance> instance);
  // For a restart that has failed, perhaps after the new instance had changed what is stored. What
  // serves the mount from now on, as the end of a sentence.
  std::string_view Revert(std::uint64_t writes_before);
  // Lets the requests go on that a restart has held back.
  void ResumeHeld();
  // Blocks: the instance to go on with, started if need be.
  absl::StatusOr<std::shared_ptr<Instance>> Replace();
  // Serves all that wait for it.
  void EndRecovery(absl::StatusOr<std::shared_ptr<Instance>> instance);
  void LogFailedStart(const std::string& mount, const absl::Status& failure);
  // Destroys the instances that nobody uses any more. Blocks.
  void Sweep();

  const Starter* const starter_;
  const std::shared_ptr<Executor> executor_;
  Counter& restarts_;
  const Limits limits_;
  const Logger logger_;
  WaitGroup users_;    // Requests, pins and recoveries: the slot lives until they are over.
  WaitGroup started_;  // Requests that have been let go to the plugin.
  // Of failed starts, which every request may bring about.
  LogThrottle failed_starts_;
  LogThrottle unanswered_;
  mutable Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kServing;
  bool disabling_ ABSL_GUARDED_BY(mutex_) = false;
  LaunchSpec spec_ ABSL_GUARDED_BY(mutex_);
  // Shared: a request keeps the instance it was sent to. Null once stopped.
  std::shared_ptr<Instance> current_ ABSL_GUARDED_BY(mutex_);
  // Each up to Limits::max_requests_queued_per_plugin: what a restart holds back, and what waits
  // for a recovery.
  std::vector<Held> held_ ABSL_GUARDED_BY(mutex_);
  std::vector<Continuation> waiting_ ABSL_GUARDED_BY(mutex_);
  // The requests that have been let go to the plugin.
  std::set<const RequestName*> under_way_ ABSL_GUARDED_BY(mutex_);
  // Kept until no request refers to them, so that none is destroyed on a thread of gRPC.
  std::vector<std::shared_ptr<Instance>> replaced_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
