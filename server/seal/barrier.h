#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/seal/keyring.h"
#include "server/seal/secret_bytes.h"
#include "server/storage/physical_storage.h"

namespace belfry::seal {

class Ciphers;

// A storage that encrypts what it keeps in the one below: values and the names of keys. Sealed, as
// it begins, each call is Unavailable "Vault is sealed". What below was changed, moved to another
// key or cannot be opened is DataLoss and says what to do; it is never returned. Scan has the order
// of the sealed names, but below storage::kOrderedKeys, which an empty prefix leaves out; its
// prefix must be empty or end in '/'. List knows nothing of those. docs/decisions/0013-barrier.md
// has the forms. Thread-safe.
class Barrier final : public storage::PhysicalStorage {
 public:
  struct KeyStatus {
    std::uint32_t term = 0;
    absl::Time installed;
    // With this term's key. Each time the barrier is unsealed it may go up by as much as 65,536:
    // what is stored is what may have been reached, so that a crash forgets none.
    std::uint64_t encryptions = 0;
  };

  // Both must outlive it. Nobody else may write below while it is unsealed.
  Barrier(storage::PhysicalStorage* below, const Clock* clock);
  ~Barrier() override;

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override;
  absl::StatusOr<std::vector<storage::Entry>> Scan(std::string_view prefix, std::string_view after,
                                                   std::size_t limit) const override;
  // One write below, also when the term changes with it. Leaves the events of the batches alone.
  absl::Status Write(std::span<storage::WriteBatch* const> batches) override;

  bool WritesWait() const override { return below_->WritesWait(); }
  // Also while it is sealed.
  std::unique_ptr<storage::Snapshot> TakeSnapshot() const override {
    return below_->TakeSnapshot();
  }

  // Stores nothing.
  void Unseal(Keyring keyring, SecretBytes root_key);
  // Waits for a write that is under way. The keys are wiped when the last call that reads has
  // ended.
  void Seal();
  bool sealed() const;

  // The rest is Unavailable "Vault is sealed" while it is sealed, and waits for the storage.

  // Adds a term, with which everything is encrypted from now on.
  absl::Status Rotate();
  absl::StatusOr<KeyStatus> Status() const;
  absl::StatusOr<RotationConfig> Rotation() const;
  // InvalidArgument when a bound is out of range.
  absl::Status SetRotation(const RotationConfig& rotation);
  // The keyring is sealed by this root key from now on; `plain`, which is not encrypted, and
  // `encrypted`, which is, are written together with it.
  absl::Status SetRootKey(SecretBytes root_key, storage::WriteBatch plain,
                          storage::WriteBatch encrypted = {});

 private:
  struct Keys;

  // Values are opened with what this gives after they were read: a term that has begun meanwhile
  // may have encrypted them.
  std::shared_ptr<const Ciphers> Use() const;
  void Publish(std::shared_ptr<const Ciphers> ciphers);
  // Before so many values more are encrypted.
  bool MustRotate(std::uint64_t puts) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);
  Keyring NextKeyring(bool rotate, std::uint64_t puts) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);
  // Writes it, the batches encrypted with it, and `plain` as it is, all at once; from then on it is
  // the keyring.
  absl::Status StoreKeyring(Keyring next, const SecretBytes& root_key,
                            std::span<storage::WriteBatch* const> batches,
                            storage::WriteBatch plain = {}) ABSL_EXCLUSIVE_LOCKS_REQUIRED(writing_);

  storage::PhysicalStorage* const below_;
  const Clock* const clock_;
  // Taken before mutex_, and held while something is written.
  mutable Mutex writing_;
  std::unique_ptr<Keys> keys_ ABSL_GUARDED_BY(writing_);  // Null while sealed.
  mutable Mutex mutex_;
  std::shared_ptr<const Ciphers> ciphers_ ABSL_GUARDED_BY(mutex_);  // Null while sealed.
};

}  // namespace belfry::seal
