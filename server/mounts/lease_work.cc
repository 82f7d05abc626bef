#include "server/mounts/lease_work.h"

#include <utility>

namespace belfry::mounts {

void LeaseWork::Run(absl::AnyInvocable<void()> work) {
  pending_.Add();
  executor_->PostAlways([this, work = std::move(work)]() mutable {
    work();
    work = nullptr;  // What it holds goes before Wait returns.
    pending_.Done();
  });
}

void LeaseWork::Ask(std::shared_ptr<const Mount> mount, Request request, Answered answered) {
  pending_.Add();
  Engine* const engine = mount->engine;
  engine->Handle(
      std::move(request), [this, mount = std::move(mount),
                           answered = std::move(answered)](absl::StatusOr<Reply> reply) mutable {
        Run([mount = std::move(mount), answered = std::move(answered),
             reply = std::move(reply)]() mutable { answered(*mount, std::move(reply)); });
        pending_.Done();
      });
}

}  // namespace belfry::mounts
