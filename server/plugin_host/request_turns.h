#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "base/mutex.h"
#include "base/owner_turns.h"
#include "base/steady_time.h"
#include "server/plugin_host/large_paths.h"

namespace belfry::plugin_host {

// How much of a mount's large requests may be with its plugin at once: what those take up, in the
// host and in the plugin, has a bound however many clients ask, and small requests do not wait
// until all of it has passed. Small requests go at once. Large ones go as long as all of them
// together are within the bound, or when none is under way; the others wait, and the tokens that
// they come from take turns.
//
// What a request will take up is not known before it has: a path counts as what LargePaths has for
// it. Thread-safe.
class RequestTurns {
 public:
  struct Claim {
    std::string owner;  // Who takes turns with others.
    std::string path;   // Of the request, below the mount.
    std::size_t bytes_sent = 0;
    SteadyTime deadline = SteadyTime::InfiniteFuture();
  };

  // That a request may be with the plugin. Destroying it lets the next one go, on this thread.
  class Turn {
   public:
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)),
          path_(std::move(other.path_)),
          bytes_sent_(other.bytes_sent_),
          bytes_(other.bytes_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn();

    // What the plugin has answered with, and whether it has accepted what was sent to it.
    void NoteAnswer(std::size_t bytes, bool accepted) const;

   private:
    friend class RequestTurns;
    Turn(RequestTurns* turns, std::string path, std::size_t bytes_sent, std::size_t bytes)
        : turns_(turns), path_(std::move(path)), bytes_sent_(bytes_sent), bytes_(bytes) {}

    RequestTurns* turns_;
    std::string path_;
    std::size_t bytes_sent_;
    std::size_t bytes_;
  };
  // The turn, which must not outlive its RequestTurns, or the error.
  using Start = absl::AnyInvocable<void(absl::StatusOr<Turn>)>;

  // `mount` is for the messages. Others may note more about the paths.
  RequestTurns(std::string mount, std::shared_ptr<LargePaths> paths, const Limits& limits);

  // Runs `start`, which must not block: here, or on the thread that ends another request.
  // ResourceExhausted when too many wait already: then the owner of whom most wait gives way.
  // DeadlineExceeded when the deadline has passed while it waited; that is noticed when a request
  // comes or ends.
  void Enter(Claim claim, Start start);
  // The mount is being taken out of service, or is not after all: large requests that wait or come
  // meanwhile are Aborted.
  void Disable(bool disabling);

 private:
  struct Waiting {
    std::string path;
    std::size_t bytes_sent;
    SteadyTime deadline;
    SteadyTime since;
    std::size_t bytes;
    Start start;
  };

  // What it counts as; 0 for a small one.
  std::size_t BytesOf(const Claim& claim) const;
  // What may not wait, or does not any more: that one, or the one that has given way to it.
  struct Refused {
    Start start;
    absl::Status why;
  };
  std::optional<Refused> Queue(Claim claim, std::size_t bytes, Start start);
  bool Fits(std::size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Leave(std::size_t bytes);
  void EndLate();
  // Starts what may go. A request that ends at once calls it from within itself: that adds nothing
  // to the stack.
  void StartWaiting();
  absl::Status TooMany() const;
  absl::Status TooLate(const Waiting& waiting) const;
  absl::Status Disabling() const;

  const std::string mount_;
  const std::shared_ptr<LargePaths> paths_;
  const std::size_t large_bytes_;
  const std::size_t max_bytes_;
  const std::size_t max_waiting_;
  Mutex mutex_;
  bool disabling_ ABSL_GUARDED_BY(mutex_) = false;
  bool starting_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t bytes_under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  OwnerTurns<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
