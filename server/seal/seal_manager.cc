#include "server/seal/seal_manager.h"

#include <utility>

#include "base/text.h"
#include "server/seal/aead.h"
#include "server/seal/places.h"
#include "server/seal/recovery_key.h"
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

absl::Status CheckKind(SealKind stored, SealKind configured) {
  if (stored == configured) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat({"the storage was initialized with ", StanzaOf(stored), ", and the configuration has ",
              StanzaOf(configured), ": ",
              stored == SealKind::kShamir
                  ? "remove it and unseal with the unseal keys"
                  : Concat({"write the ", StanzaOf(stored), " with which it was initialized"}),
              "; a seal cannot be changed for another one yet"}));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SealManager>> SealManager::Open(storage::PhysicalStorage* below,
                                                               const Clock* clock,
                                                               const AutoSeal* auto_seal) {
  absl::StatusOr<std::unique_ptr<RootKeyStore>> root_keys = RootKeyStore::Open(below);
  if (!root_keys.ok()) return root_keys.status();
  std::unique_ptr<SealManager> manager(
      new SealManager(below, clock, auto_seal, *std::move(root_keys)));
  if (const auto stored = manager->root_keys_->configuration()) {
    if (absl::Status other = CheckKind(stored->kind, manager->kind_); !other.ok()) return other;
  }
  return manager;
}

SealManager::SealManager(storage::PhysicalStorage* below, const Clock* clock,
                         const AutoSeal* auto_seal, std::unique_ptr<RootKeyStore> root_keys)
    : below_(below),
      clock_(clock),
      auto_seal_(auto_seal),
      kind_(auto_seal == nullptr ? SealKind::kShamir : auto_seal->kind()),
      root_keys_(std::move(root_keys)),
      barrier_(below, clock),
      rekey_(root_keys_.get(), &barrier_, [this] { return OpenWithAutoSeal(); }),
      root_generation_(root_keys_.get(), &barrier_),
      state_(root_keys_->configuration() ? State::kSealed : State::kUninitialized) {}

SealManager::Status SealManager::status() const {
  MutexLock lock(&mutex_);
  return StatusLocked();
}

SealManager::Status SealManager::StatusLocked() const {
  return {.state = state_,
          .configuration = root_keys_->configuration().value_or(SealConfiguration{}),
          .kind = kind_,
          .progress = given_ ? given_->count() : 0,
          .nonce = given_ ? given_->nonce() : ""};
}

absl::StatusOr<std::vector<SecretBytes>> SealManager::Initialize(
    const SealConfiguration& wanted, absl::FunctionRef<absl::Status()> fill) {
  SealConfiguration configuration = wanted;
  configuration.kind = kind_;
  MutexLock changing(&changing_);
  if (absl::Status refused = BeginInitialize(configuration); !refused.ok()) return refused;
  absl::StatusOr<NewKeys> keys = MakeKeys(configuration);
  const absl::Status done = keys.ok() ? Fill(configuration, *keys, fill) : keys.status();
  barrier_.Seal();
  MutexLock lock(&mutex_);
  state_ = done.ok() ? State::kSealed : State::kUninitialized;
  if (!done.ok()) return done;
  return std::move(keys->shared.shares);
}

absl::StatusOr<SealManager::NewKeys> SealManager::MakeKeys(
    const SealConfiguration& configuration) const {
  NewKeys keys{.shared = UnsealKey::New(configuration),
               .root_key = SecretBytes::Random(Aead::kKeyBytes)};
  if (auto_seal_ == nullptr) {
    keys.unseal_key = keys.shared.key.Copy();
    return keys;
  }
  keys.unseal_key = SecretBytes::Random(Aead::kKeyBytes);
  absl::StatusOr<std::string> wrapped = auto_seal_->Wrap(keys.unseal_key);
  if (!wrapped.ok()) return wrapped.status();
  // What cannot be unwrapped again would be lost at the first restart.
  const absl::StatusOr<SecretBytes> again = auto_seal_->Unwrap(*wrapped);
  if (!again.ok()) return again.status();
  if (!(*again == keys.unseal_key)) {
    return absl::FailedPreconditionError(
        Concat({StanzaOf(kind_), " does not unwrap what it has wrapped"}));
  }
  keys.wrapped = *std::move(wrapped);
  return keys;
}

absl::Status SealManager::Fill(const SealConfiguration& configuration, const NewKeys& keys,
                               absl::FunctionRef<absl::Status()> fill) {
  if (absl::Status failed = DeleteLeftovers(); !failed.ok()) return failed;
  barrier_.Unseal(Keyring(clock_->Now()), keys.root_key.Copy());
  if (auto_seal_ != nullptr) {
    if (absl::Status failed = StoreRecoveryKey(keys.shared.key, &barrier_); !failed.ok())
      return failed;
  }
  if (absl::Status failed = fill(); !failed.ok()) return failed;
  return root_keys_->Replace(configuration, keys.unseal_key, keys.root_key,
                             [&](storage::WriteBatch batch) {
                               if (auto_seal_ != nullptr)
                                 batch.Put(std::string(kUnsealKey), keys.wrapped);
                               return barrier_.SetRootKey(keys.root_key.Copy(), std::move(batch));
                             });
}

absl::Status SealManager::BeginInitialize(const SealConfiguration& configuration) {
  if (absl::Status bad = configuration.Check(); !bad.ok()) {
    const std::string_view what = auto_seal_ == nullptr ? "seal" : "recovery";
    return absl::InvalidArgumentError(
        Concat({"invalid ", what, " configuration: ", ToStd(bad.message())}));
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
  if (auto_seal_ != nullptr) return TakesNoUnsealKeys(kind_);
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
  absl::StatusOr<RootKeyStore::Opened> opened = root_keys_->OpenWith(shares);
  if (absl::IsInvalidArgument(opened.status())) return WrongKey();
  if (!opened.ok()) return opened.status();
  if (absl::Status failed = UnsealWith(*std::move(opened)); !failed.ok()) return failed;
  MutexLock lock(&mutex_);
  state_ = State::kUnsealed;
  return StatusLocked();
}

absl::StatusOr<SealManager::Status> SealManager::UnsealByItself() {
  MutexLock changing(&changing_);
  {
    MutexLock lock(&mutex_);
    if (state_ == State::kUnsealed) return StatusLocked();
    if (state_ != State::kSealed) return absl::InvalidArgumentError("Vault is not initialized");
  }
  absl::StatusOr<RootKeyStore::Opened> opened = OpenWithAutoSeal();
  if (!opened.ok()) return opened.status();
  if (absl::Status failed = UnsealWith(*std::move(opened)); !failed.ok()) return failed;
  MutexLock lock(&mutex_);
  state_ = State::kUnsealed;
  return StatusLocked();
}

absl::StatusOr<RootKeyStore::Opened> SealManager::OpenWithAutoSeal() const {
  if (auto_seal_ == nullptr) return absl::InvalidArgumentError("there is no auto seal");
  const absl::StatusOr<std::string> wrapped = root_keys_->WrappedUnsealKey();
  if (!wrapped.ok()) return wrapped.status();
  absl::StatusOr<SecretBytes> key = auto_seal_->Unwrap(*wrapped);
  if (!key.ok()) return key.status();
  if (key->size() == Aead::kKeyBytes) {
    absl::StatusOr<RootKeyStore::Opened> opened = root_keys_->OpenWithKey(*std::move(key));
    if (!absl::IsInvalidArgument(opened.status())) return opened;
  }
  return absl::DataLossError(Concat(
      {"the key that ", StanzaOf(kind_), " gives does not open ", kRootKey,
       ": check that it is the seal with which the server was initialized, or restore a copy "
       "of the storage"}));
}

absl::Status SealManager::UnsealWith(RootKeyStore::Opened opened) {
  const auto stored = below_->Get(kKeyring);
  if (!stored.ok()) return stored.status();
  absl::StatusOr<Keyring> keyring = Keyring::Open(stored->value_or(""), opened.root_key);
  if (absl::IsInvalidArgument(keyring.status())) {
    return absl::DataLossError(Concat({"the unseal key is right and ", kKeyring,
                                       " is missing or damaged; restore a copy of the storage"}));
  }
  if (!keyring.ok()) return keyring.status();
  barrier_.Unseal(*std::move(keyring), std::move(opened.root_key));
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
