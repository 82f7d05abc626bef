#include "server/seal/root_generation.h"

#include <utility>

#include "server/seal/held_shares.h"
#include "server/seal/seal_texts.h"

namespace belfry::seal {

absl::StatusOr<RootGeneration::Status> RootGeneration::status() const {
  MutexLock lock(&mutex_);
  if (barrier_->sealed()) return Sealed();
  return StatusLocked();
}

RootGeneration::Status RootGeneration::StatusLocked() const {
  return {.started = attempt_.has_value(),
          .nonce = attempt_ ? attempt_->given.nonce() : "",
          .required = root_keys_->configuration().value_or(SealConfiguration{}).threshold,
          .progress = attempt_ ? attempt_->given.count() : 0};
}

absl::StatusOr<RootGeneration::Status> RootGeneration::Begin(SecretBytes otp) {
  MutexLock lock(&mutex_);
  if (barrier_->sealed()) return Sealed();
  if (attempt_) return absl::InvalidArgumentError("root generation already in progress");
  attempt_ = Attempt{.otp = std::move(otp)};
  return StatusLocked();
}

absl::StatusOr<RootGeneration::Given> RootGeneration::Give(SecretBytes share,
                                                           std::string_view nonce) {
  MutexLock lock(&mutex_);
  if (barrier_->sealed()) return Sealed();
  if (!attempt_) return absl::InvalidArgumentError("no root generation in progress");
  if (absl::Status wrong = CheckNonce("root generation", attempt_->given.nonce(), nonce);
      !wrong.ok()) {
    return wrong;
  }
  if (absl::Status bad = CheckShareSize(share.size()); !bad.ok()) return bad;
  if (!attempt_->given.Add(std::move(share))) return GivenAlready();
  Status status = StatusLocked();
  if (status.progress < status.required) return Given{.status = std::move(status)};
  const absl::Status right = CheckHeldShares(*root_keys_, *barrier_, attempt_->given.Take());
  if (!right.ok()) return right;
  SecretBytes otp = std::move(attempt_->otp);
  attempt_.reset();
  return Given{.status = std::move(status), .permit = Permit(), .otp = std::move(otp)};
}

absl::Status RootGeneration::Cancel() {
  if (barrier_->sealed()) return Sealed();
  Drop();
  return absl::OkStatus();
}

void RootGeneration::Drop() {
  MutexLock lock(&mutex_);
  attempt_.reset();
}

}  // namespace belfry::seal
