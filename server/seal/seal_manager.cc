#include "server/seal/seal_manager.h"

#include <utility>

#include "base/text.h"
#include "server/seal/aead.h"
#include "server/seal/places.h"
#include "server/seal/seal_texts.h"

namespace belfry::seal {
namespace {

// Keys that are deleted at once.
constexpr std::size_t kPage = 1000;

absl::Status WrongKey() {
  return absl::InvalidArgumentError(
      "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: error "
      "decrypting seal wrapped value\nerror decrypting using seal shamir: cipher: message "
      "authentication failed");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SealManager>> SealManager::Open(storage::PhysicalStorage* below,
                                                               const Clock* clock) {
  absl::StatusOr<std::unique_ptr<RootKeyStore>> root_keys = RootKeyStore::Open(below);
  if (!root_keys.ok()) return root_keys.status();
  return std::unique_ptr<SealManager>(new SealManager(below, clock, *std::move(root_keys)));
}

SealManager::SealManager(storage::PhysicalStorage* below, const Clock* clock,
                         std::unique_ptr<RootKeyStore> root_keys)
    : below_(below),
      clock_(clock),
      root_keys_(std::move(root_keys)),
      barrier_(below, clock),
      rekey_(root_keys_.get(), &barrier_),
      root_generation_(root_keys_.get(), &barrier_),
      state_(root_keys_->configuration() ? State::kSealed : State::kUninitialized) {}

SealManager::Status SealManager::status() const {
  MutexLock lock(&mutex_);
  return StatusLocked();
}

SealManager::Status SealManager::StatusLocked() const {
  return {.state = state_,
          .configuration = root_keys_->configuration().value_or(SealConfiguration{}),
          .progress = given_ ? given_->count() : 0,
          .nonce = given_ ? given_->nonce() : ""};
}

absl::StatusOr<std::vector<SecretBytes>> SealManager::Initialize(
    const SealConfiguration& configuration, absl::FunctionRef<absl::Status()> fill) {
  MutexLock changing(&changing_);
  if (absl::Status refused = BeginInitialize(configuration); !refused.ok()) return refused;
  absl::Status done = DeleteLeftovers();
  UnsealKey unseal = UnsealKey::New(configuration);
  SecretBytes root_key = SecretBytes::Random(Aead::kKeyBytes);
  if (done.ok()) {
    barrier_.Unseal(Keyring(clock_->Now()), root_key.Copy());
    done = fill();
  }
  if (done.ok()) {
    done = root_keys_->Replace(configuration, unseal.key, root_key, [&](storage::WriteBatch batch) {
      return barrier_.SetRootKey(root_key.Copy(), std::move(batch));
    });
  }
  barrier_.Seal();
  MutexLock lock(&mutex_);
  state_ = done.ok() ? State::kSealed : State::kUninitialized;
  if (!done.ok()) return done;
  return std::move(unseal.shares);
}

absl::Status SealManager::BeginInitialize(const SealConfiguration& configuration) {
  if (absl::Status bad = configuration.Check(); !bad.ok()) {
    return absl::InvalidArgumentError(
        Concat({"invalid seal configuration: ", ToStd(bad.message())}));
  }
  MutexLock lock(&mutex_);
  if (state_ != State::kUninitialized) {
    return absl::InvalidArgumentError("Vault is already initialized");
  }
  state_ = State::kInitializing;
  return absl::OkStatus();
}

// Of an initialization that did not end: its keys are gone, so nothing of it can be read.
absl::Status SealManager::DeleteLeftovers() {
  for (;;) {
    absl::StatusOr<std::vector<storage::Entry>> page = below_->Scan(kData, "", kPage);
    if (!page.ok()) return page.status();
    if (page->empty()) return absl::OkStatus();
    storage::WriteBatch batch;
    for (storage::Entry& entry : *page) batch.Delete(std::move(entry.key));
    storage::WriteBatch* const one = &batch;
    if (absl::Status failed = below_->Write({&one, 1}); !failed.ok()) return failed;
  }
}

absl::StatusOr<SealManager::Status> SealManager::Unseal(SecretBytes share) {
  MutexLock changing(&changing_);
  std::vector<SecretBytes> shares;
  {
    MutexLock lock(&mutex_);
    if (state_ == State::kUnsealed) return StatusLocked();
    if (state_ != State::kSealed) return absl::InvalidArgumentError("Vault is not initialized");
    if (absl::Status bad = CheckShareSize(share.size()); !bad.ok()) return bad;
    if (!given_) given_.emplace();
    given_->Add(std::move(share));
    if (given_->count() < root_keys_->configuration()->threshold) return StatusLocked();
    shares = given_->Take();
    given_.reset();
  }
  if (absl::Status failed = UnsealWith(shares); !failed.ok()) return failed;
  MutexLock lock(&mutex_);
  state_ = State::kUnsealed;
  return StatusLocked();
}

absl::Status SealManager::UnsealWith(std::span<const SecretBytes> shares) {
  absl::StatusOr<RootKeyStore::Opened> opened = root_keys_->OpenWith(shares);
  if (absl::IsInvalidArgument(opened.status())) return WrongKey();
  if (!opened.ok()) return opened.status();
  const auto stored = below_->Get(kKeyring);
  if (!stored.ok()) return stored.status();
  absl::StatusOr<Keyring> keyring = Keyring::Open(stored->value_or(""), opened->root_key);
  if (absl::IsInvalidArgument(keyring.status())) {
    return absl::DataLossError(Concat({"the unseal key is right and ", kKeyring,
                                       " is missing or damaged; restore a copy of the storage"}));
  }
  if (!keyring.ok()) return keyring.status();
  barrier_.Unseal(*std::move(keyring), std::move(opened->root_key));
  return absl::OkStatus();
}

void SealManager::ResetUnseal() {
  MutexLock lock(&mutex_);
  given_.reset();
}

void SealManager::Seal() {
  MutexLock changing(&changing_);
  {
    MutexLock lock(&mutex_);
    given_.reset();
    if (state_ != State::kUnsealed) return;
    state_ = State::kSealed;
  }
  barrier_.Seal();
  rekey_.Drop();
  root_generation_.Drop();
}

}  // namespace belfry::seal
