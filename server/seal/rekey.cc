#include "server/seal/rekey.h"

#include <utility>

#include "base/text.h"
#include "server/seal/aead.h"
#include "server/seal/held_shares.h"
#include "server/seal/recovery_key.h"
#include "server/seal/seal_texts.h"

namespace belfry::seal {
namespace {

absl::Status Invalid(std::string_view text) {
  return absl::InvalidArgumentError(ToAbsl(text));
}

}  // namespace

absl::Status Rekey::NoneInProgress() const {
  const SealKind kind = root_keys_->configuration().value_or(SealConfiguration{}).kind;
  return Invalid(kind == SealKind::kShamir ? "no barrier rekey in progress"
                                           : "no recovery rekey in progress");
}

absl::StatusOr<Rekey::Status> Rekey::status() const {
  MutexLock lock(&mutex_);
  if (barrier_->sealed()) return Sealed();
  return StatusLocked();
}

Rekey::Status Rekey::StatusLocked() const {
  Status status;
  status.required = root_keys_->configuration().value_or(SealConfiguration{}).threshold;
  if (!attempt_) return status;
  status.started = true;
  status.nonce = attempt_->present.nonce();
  status.wanted = attempt_->wanted;
  status.progress = attempt_->present.count();
  status.verification_required = attempt_->verification_required;
  if (attempt_->returned) {
    status.verification_nonce = attempt_->returned->nonce();
    status.verification_progress = attempt_->returned->count();
  }
  return status;
}

absl::StatusOr<Rekey::Status> Rekey::Begin(const SealConfiguration& wanted,
                                           bool verification_required) {
  MutexLock lock(&mutex_);
  if (barrier_->sealed()) return Sealed();
  if (wanted.threshold > wanted.shares) {
    return Invalid("provided threshold greater than the total shares");
  }
  if (absl::Status bad = wanted.Check(); !bad.ok()) {
    return Invalid(Concat({"invalid rekey seal configuration: ", ToStd(bad.message())}));
  }
  if (attempt_) return Invalid("rekey already in progress");
  attempt_ = Attempt{.wanted = wanted, .verification_required = verification_required};
  attempt_->wanted.kind = root_keys_->configuration().value_or(SealConfiguration{}).kind;
  return StatusLocked();
}

absl::StatusOr<Rekey::Given> Rekey::Give(SecretBytes share, std::string_view nonce) {
  MutexLock lock(&mutex_);
  if (barrier_->sealed()) return Sealed();
  if (!attempt_) return NoneInProgress();
  if (attempt_->made) return Invalid("the new keys have been made and must be verified");
  if (absl::Status wrong = CheckNonce("rekey", attempt_->present.nonce(), nonce); !wrong.ok()) {
    return wrong;
  }
  if (absl::Status bad = CheckShareSize(share.size()); !bad.ok()) return bad;
  if (!attempt_->present.Add(std::move(share))) return GivenAlready();
  Status status = StatusLocked();
  if (status.progress < status.required) return Given{.status = std::move(status)};
  const absl::Status right = CheckHeldShares(*root_keys_, *barrier_, attempt_->present.Take());
  if (!right.ok()) return right;

  UnsealKey made = UnsealKey::New(attempt_->wanted);
  std::vector<SecretBytes> shares = std::move(made.shares);
  if (attempt_->verification_required) {
    attempt_->made = std::move(made);
    status.verification_nonce = attempt_->returned.emplace().nonce();
    return Given{.status = std::move(status), .shares = std::move(shares)};
  }
  if (absl::Status failed = Install(made); !failed.ok()) return failed;
  return Given{.status = std::move(status), .shares = std::move(shares), .complete = true};
}

absl::Status Rekey::Install(const UnsealKey& made) {
  absl::Status done = attempt_->wanted.kind == SealKind::kShamir ? InstallUnsealKey(made)
                                                                 : InstallRecoveryKey(made);
  if (done.ok()) attempt_.reset();
  return done;
}

absl::Status Rekey::InstallUnsealKey(const UnsealKey& made) {
  const SecretBytes root_key = SecretBytes::Random(Aead::kKeyBytes);
  return root_keys_->Replace(attempt_->wanted, made.key, root_key, [&](storage::WriteBatch batch) {
    return barrier_->SetRootKey(root_key.Copy(), std::move(batch));
  });
}

// The root key is bound to how many shares there are.
absl::Status Rekey::InstallRecoveryKey(const UnsealKey& made) {
  const absl::StatusOr<RootKeyStore::Opened> opened = open_();
  if (!opened.ok()) return opened.status();
  return root_keys_->Replace(
      attempt_->wanted, opened->unseal_key, opened->root_key, [&](storage::WriteBatch batch) {
        return barrier_->SetRootKey(opened->root_key.Copy(), std::move(batch),
                                    RecoveryKeyChange(made.key));
      });
}

absl::Status Rekey::Cancel(std::string_view nonce) {
  MutexLock lock(&mutex_);
  if (barrier_->sealed()) return Sealed();
  // Does not say the right one: it keeps others from cancelling.
  if (attempt_ && nonce != attempt_->present.nonce()) return Invalid("incorrect nonce supplied");
  attempt_.reset();
  return absl::OkStatus();
}

absl::Status Rekey::CheckVerifying() const {
  if (barrier_->sealed()) return Sealed();
  if (!attempt_ || !attempt_->returned) return Invalid("no rekey configuration found");
  return absl::OkStatus();
}

absl::StatusOr<Rekey::Status> Rekey::VerificationStatus() const {
  MutexLock lock(&mutex_);
  if (absl::Status refused = CheckVerifying(); !refused.ok()) return refused;
  return StatusLocked();
}

absl::StatusOr<Rekey::Given> Rekey::Verify(SecretBytes share, std::string_view nonce) {
  MutexLock lock(&mutex_);
  if (absl::Status refused = CheckVerifying(); !refused.ok()) return refused;
  ShareCollection& returned = *attempt_->returned;
  if (absl::Status wrong = CheckNonce("rekey verification", returned.nonce(), nonce); !wrong.ok()) {
    return wrong;
  }
  if (absl::Status bad = CheckShareSize(share.size()); !bad.ok()) return bad;
  if (!returned.Add(std::move(share))) return GivenAlready();
  Status status = StatusLocked();
  if (status.verification_progress < attempt_->wanted.threshold) {
    return Given{.status = std::move(status)};
  }
  const auto key = CombineToKey(attempt_->wanted, returned.Take());
  if (!key.ok() || !(*key == attempt_->made->key)) {
    return attempt_->wanted.kind == SealKind::kShamir ? WrongShares() : WrongRecoveryShares();
  }
  if (absl::Status failed = Install(*attempt_->made); !failed.ok()) return failed;
  return Given{.status = std::move(status), .complete = true};
}

absl::StatusOr<Rekey::Status> Rekey::RestartVerification() {
  MutexLock lock(&mutex_);
  if (absl::Status refused = CheckVerifying(); !refused.ok()) return refused;
  attempt_->returned.emplace();
  return StatusLocked();
}

void Rekey::Drop() {
  MutexLock lock(&mutex_);
  attempt_.reset();
}

}  // namespace belfry::seal
