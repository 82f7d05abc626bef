#include "server/process/auto_unsealer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/duration.h"
#include "base/text.h"

namespace belfry::process {

AutoUnsealer::AutoUnsealer(Lifecycle* lifecycle, Scheduler* scheduler, Logger logger,
                           absl::AnyInvocable<void(absl::AnyInvocable<void()>)> post)
    : lifecycle_(lifecycle),
      scheduler_(scheduler),
      logger_(std::move(logger)),
      post_(std::move(post)) {}

void AutoUnsealer::Try() {
  const seal::SealManager::Status seal = lifecycle_->status().seal;
  if (seal.kind == seal::SealKind::kShamir || seal.state != seal::SealManager::State::kSealed)
    return;
  const absl::Status unsealed = lifecycle_->UnsealByItself().status();
  if (!unsealed.ok()) TryLater(unsealed);
}

void AutoUnsealer::TryLater(const absl::Status& reason) {
  logger_.Error("failed to unseal", {{"reason", std::string(ToStd(reason.message()))},
                                     {"next_attempt_in", DurationText(pause_)}});
  timer_ = scheduler_->After(pause_, [this] { post_([this] { Try(); }); });
  pause_ = std::min(2 * pause_, kLongestPause);
}

}  // namespace belfry::process
