#include "server/seal/barrier.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "base/text.h"
#include "server/seal/ciphers.h"
#include "server/seal/places.h"
#include "server/seal/seal_texts.h"

namespace belfry::seal {
namespace {

// The stored count of a term's encryptions is so far ahead of what has been done: the keyring is
// written once for so many.
constexpr std::uint64_t kCountedAhead = 65'536;

absl::Status DamagedName(std::string_view folder) {
  return absl::DataLossError(
      Concat({"cannot decrypt the name of a key stored below \"", folder,
              "\"; the storage was damaged or changed from outside: restore a copy of it"}));
}

std::uint64_t MostEncryptions(const RotationConfig& rotation) {
  return rotation.enabled ? rotation.max_operations : RotationConfig::kMostOperations;
}

// Whether it has its name below the barrier, too.
bool IsOrdered(std::string_view key) {
  return key.starts_with(storage::kOrderedKeys);
}

// What the key, or the beginning of one up to a '/', is called below the barrier.
std::string StoredName(const Ciphers& ciphers, std::string_view key) {
  return IsOrdered(key) ? std::string(key) : Concat({kData, ciphers.names().Seal(key)});
}

// With its '/'.
std::string_view FolderOf(std::string_view path) {
  return path.substr(0, path.rfind('/') + 1);
}

// Opens the names of entries, of which many that follow each other lie in one folder.
class NameOpener {
 public:
  explicit NameOpener(const NameCipher* names) : names_(names) {}

  std::optional<std::string> OpenStored(std::string_view name) {
    return IsOrdered(name) ? std::string(name) : Open(name.substr(kData.size()));
  }

 private:
  std::optional<std::string> Open(std::string_view sealed) {
    const std::string_view sealed_folder = FolderOf(sealed);
    if (sealed_folder != sealed_folder_) {
      std::optional<std::string> folder = names_->Open(sealed_folder);
      if (!folder) return std::nullopt;
      sealed_folder_ = sealed_folder;
      folder_ = *std::move(folder);
    }
    const auto part = names_->OpenPart(sealed_folder, sealed.substr(sealed_folder.size()));
    if (!part) return std::nullopt;
    return Concat({folder_, *part});
  }

  const NameCipher* const names_;
  std::string sealed_folder_;
  std::string folder_;
};

std::uint64_t CountPuts(std::span<storage::WriteBatch* const> batches) {
  std::uint64_t puts = 0;
  for (const storage::WriteBatch* const batch : batches) {
    for (const storage::Operation& operation : batch->operations) puts += operation.value ? 1 : 0;
  }
  return puts;
}

storage::WriteBatch Encrypt(const Ciphers& ciphers, std::span<storage::WriteBatch* const> batches) {
  storage::WriteBatch encrypted;
  for (const storage::WriteBatch* const batch : batches) {
    for (const storage::Operation& operation : batch->operations) {
      std::string name = StoredName(ciphers, operation.key);
      if (operation.value) {
        encrypted.Put(std::move(name), ciphers.SealValue(operation.key, *operation.value));
      } else if (!operation.end.empty()) {
        encrypted.DeleteRange(std::move(name), operation.end);
      } else {
        encrypted.Delete(std::move(name));
      }
    }
  }
  return encrypted;
}

}  // namespace

// The keyring as it is stored, but for the active term's encryptions: those are stored ahead.
struct Barrier::Keys {
  Keyring keyring;
  SecretBytes root_key;
  std::uint64_t encryptions = 0;
};

Barrier::Barrier(storage::PhysicalStorage* below, const Clock* clock)
    : below_(below), clock_(clock) {}

Barrier::~Barrier() = default;

absl::StatusOr<std::optional<std::string>> Barrier::Get(std::string_view key) const {
  const std::shared_ptr<const Ciphers> ciphers = Use();
  if (ciphers == nullptr) return Sealed();
  auto stored = below_->Get(StoredName(*ciphers, key));
  if (!stored.ok() || !*stored) return stored;
  const std::shared_ptr<const Ciphers> latest = Use();
  if (latest == nullptr) return Sealed();
  absl::StatusOr<std::string> value = latest->OpenValue(key, **stored);
  if (!value.ok()) return value.status();
  return *std::move(value);
}

absl::StatusOr<std::vector<std::string>> Barrier::List(std::string_view prefix) const {
  const std::shared_ptr<const Ciphers> ciphers = Use();
  if (ciphers == nullptr) return Sealed();
  // A plugin may list by the beginning of a name, too.
  const std::string_view folder = FolderOf(prefix);
  const std::string_view begin = prefix.substr(folder.size());
  const std::string sealed_folder = ciphers->names().Seal(folder);
  const auto sealed_names = below_->List(Concat({kData, sealed_folder}));
  if (!sealed_names.ok()) return sealed_names.status();
  std::vector<std::string> names;
  names.reserve(sealed_names->size());
  for (const std::string& sealed : *sealed_names) {
    const bool is_folder = sealed.ends_with('/');
    const std::string_view part = std::string_view(sealed).substr(0, sealed.size() - is_folder);
    std::optional<std::string> name = ciphers->names().OpenPart(sealed_folder, part);
    if (!name) return DamagedName(folder);
    if (is_folder) *name += '/';
    if (!name->starts_with(begin) || name->size() == begin.size()) continue;
    names.push_back(name->substr(begin.size()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<storage::Entry>> Barrier::Scan(std::string_view prefix,
                                                          std::string_view after,
                                                          std::size_t limit) const {
  const std::shared_ptr<const Ciphers> ciphers = Use();
  if (ciphers == nullptr) return Sealed();
  if (FolderOf(prefix) != prefix) {
    return absl::InvalidArgumentError("a prefix of encrypted keys must end in '/'");
  }
  auto entries = below_->Scan(StoredName(*ciphers, prefix),
                              after.empty() ? std::string() : StoredName(*ciphers, after), limit);
  if (!entries.ok()) return entries;
  const std::shared_ptr<const Ciphers> latest = Use();
  if (latest == nullptr) return Sealed();
  NameOpener opener(&ciphers->names());
  for (storage::Entry& entry : *entries) {
    std::optional<std::string> key = opener.OpenStored(entry.key);
    if (!key) return DamagedName(prefix);
    absl::StatusOr<std::string> value = latest->OpenValue(*key, entry.value);
    if (!value.ok()) return value.status();
    entry = {*std::move(key), *std::move(value)};
  }
  return entries;
}

absl::Status Barrier::Write(std::span<storage::WriteBatch* const> batches) {
  MutexLock lock(&writing_);
  if (keys_ == nullptr) return Sealed();
  const std::uint64_t puts = CountPuts(batches);
  const bool rotate = MustRotate(puts);
  absl::Status written;
  if (rotate || keys_->encryptions + puts > keys_->keyring.active().encryptions) {
    written = StoreKeyring(NextKeyring(rotate, puts), keys_->root_key, batches);
  } else {
    storage::WriteBatch encrypted = Encrypt(*Use(), batches);
    storage::WriteBatch* const one = &encrypted;
    written = below_->Write({&one, 1});
  }
  // Also of what could not be written: the key has encrypted it.
  keys_->encryptions += puts;
  return written;
}

bool Barrier::MustRotate(std::uint64_t puts) const {
  const RotationConfig& rotation = keys_->keyring.rotation;
  if (keys_->encryptions + puts > MostEncryptions(rotation)) return keys_->encryptions > 0;
  return rotation.enabled && rotation.interval > absl::ZeroDuration() &&
         clock_->Now() >= keys_->keyring.active().installed + rotation.interval;
}

Keyring Barrier::NextKeyring(bool rotate, std::uint64_t puts) const {
  Keyring next = keys_->keyring;
  next.active().encryptions = keys_->encryptions;
  if (rotate) next.Rotate(clock_->Now());
  std::uint64_t& stored = next.active().encryptions;
  stored = std::min(stored + puts + kCountedAhead, MostEncryptions(next.rotation));
  return next;
}

absl::Status Barrier::StoreKeyring(Keyring next, const SecretBytes& root_key,
                                   std::span<storage::WriteBatch* const> batches,
                                   storage::WriteBatch plain) {
  const std::shared_ptr<const Ciphers> before = Use();
  const auto ciphers = std::make_shared<const Ciphers>(next, before.get());
  storage::WriteBatch encrypted = Encrypt(*ciphers, batches);
  encrypted.Put(std::string(kKeyring), next.Sealed(root_key));
  // Before the write: by the end of it others may read what the new term has encrypted.
  Publish(ciphers);
  const std::array<storage::WriteBatch*, 2> both = {&plain, &encrypted};
  if (absl::Status failed = below_->Write(both); !failed.ok()) {
    Publish(before);
    return failed;
  }
  if (next.active().number != keys_->keyring.active().number) keys_->encryptions = 0;
  keys_->keyring = std::move(next);
  return absl::OkStatus();
}

void Barrier::Unseal(Keyring keyring, SecretBytes root_key) {
  MutexLock lock(&writing_);
  Publish(std::make_shared<const Ciphers>(keyring, nullptr));
  const std::uint64_t encryptions = keyring.active().encryptions;
  keys_ = std::make_unique<Keys>(Keys{std::move(keyring), std::move(root_key), encryptions});
}

void Barrier::Seal() {
  MutexLock lock(&writing_);
  keys_ = nullptr;
  Publish(nullptr);
}

bool Barrier::sealed() const {
  return Use() == nullptr;
}

absl::Status Barrier::Rotate() {
  MutexLock lock(&writing_);
  if (keys_ == nullptr) return Sealed();
  return StoreKeyring(NextKeyring(/*rotate=*/true, 0), keys_->root_key, {});
}

absl::StatusOr<Barrier::KeyStatus> Barrier::Status() const {
  MutexLock lock(&writing_);
  if (keys_ == nullptr) return Sealed();
  const Keyring::Term& active = keys_->keyring.active();
  return KeyStatus{active.number, active.installed, keys_->encryptions};
}

absl::StatusOr<RotationConfig> Barrier::Rotation() const {
  MutexLock lock(&writing_);
  if (keys_ == nullptr) return Sealed();
  return keys_->keyring.rotation;
}

absl::Status Barrier::SetRotation(const RotationConfig& rotation) {
  if (absl::Status bad = rotation.Check(); !bad.ok()) return bad;
  MutexLock lock(&writing_);
  if (keys_ == nullptr) return Sealed();
  Keyring next = keys_->keyring;
  next.rotation = rotation;
  return StoreKeyring(std::move(next), keys_->root_key, {});
}

absl::Status Barrier::SetRootKey(SecretBytes root_key, storage::WriteBatch plain,
                                 storage::WriteBatch encrypted) {
  MutexLock lock(&writing_);
  if (keys_ == nullptr) return Sealed();
  storage::WriteBatch* const one = &encrypted;
  const std::uint64_t puts = CountPuts({&one, 1});
  Keyring next = puts == 0 ? keys_->keyring : NextKeyring(/*rotate=*/false, puts);
  absl::Status stored = StoreKeyring(std::move(next), root_key, {&one, 1}, std::move(plain));
  keys_->encryptions += puts;
  if (stored.ok()) keys_->root_key = std::move(root_key);
  return stored;
}

std::shared_ptr<const Ciphers> Barrier::Use() const {
  MutexLock lock(&mutex_);
  return ciphers_;
}

void Barrier::Publish(std::shared_ptr<const Ciphers> ciphers) {
  MutexLock lock(&mutex_);
  ciphers_.swap(ciphers);
}

}  // namespace belfry::seal
