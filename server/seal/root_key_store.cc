#include "server/seal/root_key_store.h"

#include <utility>

#include "base/text.h"
#include "server/seal/aead.h"
#include "server/seal/places.h"
#include "server/seal/sealed_record.h"
#include "server/seal/shamir.h"

namespace belfry::seal {
namespace {

// The first is of servers that people unseal.
constexpr char kShamirVersion = 1;
constexpr char kVersion = 2;

// A version byte, the number of shares, the threshold, and from version 2 on the seal.
std::string ToBytes(const SealConfiguration& configuration) {
  const bool shamir = configuration.kind == SealKind::kShamir;
  std::string bytes = {shamir ? kShamirVersion : kVersion, static_cast<char>(configuration.shares),
                       static_cast<char>(configuration.threshold)};
  if (!shamir) bytes += static_cast<char>(configuration.kind);
  return bytes;
}

bool IsNewer(std::string_view bytes) {
  if (bytes.empty()) return false;
  const auto version = static_cast<unsigned char>(bytes[0]);
  const bool unknown_seal = version == kVersion && bytes.size() == 4 &&
                            static_cast<SealKind>(bytes[3]) > SealKind::kCommand;
  return version > kVersion || unknown_seal;
}

absl::StatusOr<SealConfiguration> FromBytes(std::string_view bytes) {
  if (IsNewer(bytes)) {
    return absl::FailedPreconditionError(Concat(
        {kSealConfiguration, " was written by a newer version of Belfry; run that version"}));
  }
  SealConfiguration configuration;
  const bool shamir = bytes.size() == 3 && bytes[0] == kShamirVersion;
  const bool by_itself = bytes.size() == 4 && bytes[0] == kVersion && bytes[3] != 0;
  if (shamir || by_itself) {
    configuration.shares = static_cast<unsigned char>(bytes[1]);
    configuration.threshold = static_cast<unsigned char>(bytes[2]);
  }
  if (by_itself) configuration.kind = static_cast<SealKind>(bytes[3]);
  if (configuration.Check().ok()) return configuration;
  return absl::DataLossError(
      Concat({kSealConfiguration, " is damaged; restore a copy of the storage"}));
}

absl::Status Missing(std::string_view place) {
  return absl::DataLossError(
      Concat({place, " is missing in an initialized storage; restore a copy of it"}));
}

}  // namespace

absl::Status SealConfiguration::Check() const {
  const auto invalid = [](const char* why) { return absl::InvalidArgumentError(why); };
  if (shares < 1) return invalid("shares must be at least one");
  if (threshold < 1) return invalid("threshold must be at least one");
  if (shares > 1 && threshold == 1) {
    return invalid("threshold must be greater than one for multiple shares");
  }
  if (shares > 255) return invalid("shares must be less than 256");
  if (threshold > shares) return invalid("threshold cannot be larger than shares");
  return absl::OkStatus();
}

UnsealKey UnsealKey::New(const SealConfiguration& configuration) {
  UnsealKey unseal;
  unseal.key = SecretBytes::Random(Aead::kKeyBytes);
  if (configuration.shares == 1) {
    unseal.shares.push_back(unseal.key.Copy());
  } else {
    unseal.shares = *SplitSecret(unseal.key, configuration.shares, configuration.threshold);
  }
  return unseal;
}

absl::StatusOr<SecretBytes> CombineToKey(const SealConfiguration& configuration,
                                         std::span<const SecretBytes> shares) {
  absl::StatusOr<SecretBytes> key =
      configuration.threshold == 1 && shares.size() == 1 ? shares[0].Copy() : CombineShares(shares);
  if (!key.ok() || key->size() == Aead::kKeyBytes) return key;
  return absl::InvalidArgumentError("the shares make a key of the wrong length");
}

absl::StatusOr<std::unique_ptr<RootKeyStore>> RootKeyStore::Open(storage::PhysicalStorage* below) {
  const auto stored = below->Get(kSealConfiguration);
  if (!stored.ok()) return stored.status();
  const auto root_key = below->Get(kRootKey);
  if (!root_key.ok()) return root_key.status();
  if (root_key->has_value() != stored->has_value()) {
    return Missing(root_key->has_value() ? kSealConfiguration : kRootKey);
  }
  std::optional<SealConfiguration> configuration;
  if (*stored) {
    absl::StatusOr<SealConfiguration> read = FromBytes(**stored);
    if (!read.ok()) return read.status();
    configuration = *read;
    const auto wrapped = below->Get(kUnsealKey);
    if (!wrapped.ok()) return wrapped.status();
    if (read->kind != SealKind::kShamir && !*wrapped) return Missing(kUnsealKey);
  }
  return std::unique_ptr<RootKeyStore>(new RootKeyStore(below, configuration));
}

std::optional<SealConfiguration> RootKeyStore::configuration() const {
  MutexLock lock(&mutex_);
  return configuration_;
}

absl::StatusOr<RootKeyStore::Opened> RootKeyStore::OpenWith(
    std::span<const SecretBytes> shares) const {
  const std::optional<SealConfiguration> configuration = this->configuration();
  if (!configuration) return absl::InvalidArgumentError("Vault is not initialized");
  absl::StatusOr<SecretBytes> unseal_key = CombineToKey(*configuration, shares);
  if (!unseal_key.ok()) return unseal_key.status();
  return OpenWithKey(*std::move(unseal_key));
}

absl::StatusOr<RootKeyStore::Opened> RootKeyStore::OpenWithKey(SecretBytes unseal_key) const {
  const auto sealed = below_->Get(kRootKey);
  if (!sealed.ok()) return sealed.status();
  if (!*sealed) return Missing(kRootKey);
  absl::StatusOr<SecretBytes> root_key = OpenRecord(
      unseal_key, kRootKey, ToBytes(configuration().value_or(SealConfiguration{})), **sealed);
  if (!root_key.ok()) return root_key.status();
  return Opened{std::move(unseal_key), *std::move(root_key)};
}

absl::StatusOr<std::string> RootKeyStore::WrappedUnsealKey() const {
  absl::StatusOr<std::optional<std::string>> wrapped = below_->Get(kUnsealKey);
  if (!wrapped.ok()) return wrapped.status();
  if (!*wrapped) return Missing(kUnsealKey);
  return **std::move(wrapped);
}

absl::Status RootKeyStore::Replace(const SealConfiguration& configuration,
                                   const SecretBytes& unseal_key, const SecretBytes& root_key,
                                   absl::FunctionRef<absl::Status(storage::WriteBatch)> store) {
  std::string bytes = ToBytes(configuration);
  storage::WriteBatch batch;
  batch.Put(std::string(kRootKey), SealRecord(unseal_key, kRootKey, bytes, root_key));
  batch.Put(std::string(kSealConfiguration), std::move(bytes));
  if (absl::Status failed = store(std::move(batch)); !failed.ok()) return failed;
  MutexLock lock(&mutex_);
  configuration_ = configuration;
  return absl::OkStatus();
}

}  // namespace belfry::seal
