#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/executor.h"
#include "base/wait_group.h"
#include "server/mounts/engine.h"
#include "server/mounts/router.h"

namespace belfry::mounts {

// The work under way for leases: on the executor, and in engines that were asked. Thread-safe; only
// Wait blocks.
class LeaseWork {
 public:
  using Answered = absl::AnyInvocable<void(const Mount& asked, absl::StatusOr<Reply> reply)>;

  // `executor` must outlive it.
  explicit LeaseWork(Executor* executor) : executor_(executor) {}

  // Runs `work` on the executor, however much is queued there.
  void Run(absl::AnyInvocable<void()> work);
  // Asks the engine of `mount`, which lives until `answered` has run: once, on the executor.
  void Ask(std::shared_ptr<const Mount> mount, Request request, Answered answered);
  // Returns when all of it has ended, with what it added meanwhile.
  void Wait() { pending_.Wait(); }

 private:
  Executor* const executor_;
  WaitGroup pending_;
};

}  // namespace belfry::mounts
