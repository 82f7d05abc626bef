#include "server/seal/root_generation.h"

#include <utility>

#include "server/seal/seal_texts.h"

namespace belfry::seal {

absl::StatusOr<RootGeneration::Status> RootGeneration::status() const {
  if (barrier_->sealed()) return Sealed();
  MutexLock lock(&mutex_);
  return StatusLocked();
}

RootGeneration::Status RootGeneration::StatusLocked() const {
  return {.started = given_.has_value(),
          .nonce = given_ ? given_->nonce() : "",
          .required = root_keys_->configuration().value_or(SealConfiguration{}).threshold,
          .progress = given_ ? given_->count() : 0};
}

absl::StatusOr<RootGeneration::Status> RootGeneration::Begin() {
  if (barrier_->sealed()) return Sealed();
  MutexLock lock(&mutex_);
  if (given_) return absl::InvalidArgumentError("root generation already in progress");
  given_.emplace();
  return StatusLocked();
}

absl::StatusOr<RootGeneration::Given> RootGeneration::Give(SecretBytes share,
                                                           std::string_view nonce) {
  if (barrier_->sealed()) return Sealed();
  MutexLock lock(&mutex_);
  if (!given_) return absl::InvalidArgumentError("no root generation in progress");
  if (absl::Status wrong = CheckNonce("root generation", given_->nonce(), nonce); !wrong.ok()) {
    return wrong;
  }
  if (!given_->Add(std::move(share))) return GivenAlready();
  Status status = StatusLocked();
  if (status.progress < status.required) return Given{.status = std::move(status)};
  const absl::Status opened = root_keys_->OpenWith(given_->Take()).status();
  if (absl::IsInvalidArgument(opened)) return WrongShares();
  if (!opened.ok()) return opened;
  given_.reset();
  return Given{.status = std::move(status), .permit = Permit()};
}

absl::Status RootGeneration::Cancel() {
  if (barrier_->sealed()) return Sealed();
  Drop();
  return absl::OkStatus();
}

void RootGeneration::Drop() {
  MutexLock lock(&mutex_);
  given_.reset();
}

}  // namespace belfry::seal
