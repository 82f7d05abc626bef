#include "server/seal/root_generation.h"

#include <utility>

#include "server/seal/recovery_key.h"
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
  if (absl::Status refused = CheckShares(attempt_->given.Take()); !refused.ok()) return refused;
  SecretBytes otp = std::move(attempt_->otp);
  attempt_.reset();
  return Given{.status = std::move(status), .permit = Permit(), .otp = std::move(otp)};
}

absl::Status RootGeneration::CheckShares(std::span<const SecretBytes> shares) const {
  const SealConfiguration configuration = root_keys_->configuration().value_or(SealConfiguration{});
  if (configuration.kind == SealKind::kShamir) {
    const absl::Status opened = root_keys_->OpenWith(shares).status();
    return absl::IsInvalidArgument(opened) ? WrongShares() : opened;
  }
  const absl::StatusOr<SecretBytes> key = CombineToKey(configuration, shares);
  if (!key.ok()) return WrongRecoveryShares();
  const absl::Status checked = CheckRecoveryKey(*key, *barrier_);
  return absl::IsInvalidArgument(checked) ? WrongRecoveryShares() : checked;
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
