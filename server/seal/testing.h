#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/seal/auto_seal.h"
#include "server/storage/physical_storage.h"

namespace belfry::seal {

// A storage in memory that shows all it holds, and that an attacker or a bad disk can change. What
// it is told to do is not thread-safe.
class OpenStorage final : public storage::PhysicalStorage {
 public:
  bool refuse_writes = false;
  int writes = 0;
  // Runs once, before a Get or a Scan looks.
  mutable std::function<void()> before_next_read;

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    RunBeforeRead();
    return memory_->Get(key);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return memory_->List(prefix);
  }
  absl::StatusOr<std::vector<storage::Entry>> Scan(std::string_view prefix, std::string_view after,
                                                   std::size_t limit) const override {
    RunBeforeRead();
    return memory_->Scan(prefix, after, limit);
  }
  absl::Status Write(std::span<storage::WriteBatch* const> batches) override {
    if (refuse_writes) return absl::UnavailableError("the disk is full");
    ++writes;
    return memory_->Write(batches);
  }
  std::unique_ptr<storage::Snapshot> TakeSnapshot() const override {
    return memory_->TakeSnapshot();
  }

  std::vector<storage::Entry> All() const { return *memory_->Scan("", "", 1'000'000); }
  std::string Bytes() const {
    std::string bytes;
    for (const storage::Entry& entry : All()) bytes += entry.key + "\n" + entry.value + "\n";
    return bytes;
  }
  void Set(std::string key, std::optional<std::string> value) {
    storage::WriteBatch batch;
    batch.operations.push_back({std::move(key), std::move(value)});
    storage::WriteBatch* const one = &batch;
    memory_->Write({&one, 1}).IgnoreError();
  }

 private:
  void RunBeforeRead() const {
    if (before_next_read) std::exchange(before_next_read, nullptr)();
  }

  const std::unique_ptr<storage::PhysicalStorage> memory_ = storage::NewInMemoryPhysicalStorage();
};

// Wraps for those who do not look. What it is told to do is not thread-safe.
class FakeAutoSeal final : public AutoSeal {
 public:
  explicit FakeAutoSeal(SealKind kind = SealKind::kFile) : kind_(kind) {}

  absl::Status fails;
  char mask = 0x55;

  SealKind kind() const override { return kind_; }
  absl::StatusOr<std::string> Wrap(const SecretBytes& key) const override {
    if (!fails.ok()) return fails;
    return Masked(key.view());
  }
  absl::StatusOr<SecretBytes> Unwrap(std::string_view wrapped) const override {
    if (!fails.ok()) return fails;
    return SecretBytes::CopyOf(Masked(wrapped));
  }

 private:
  std::string Masked(std::string_view text) const {
    std::string masked(text);
    for (char& c : masked) c = static_cast<char>(c ^ mask);
    return masked;
  }

  const SealKind kind_;
};

// What a committer does with one batch.
inline absl::Status WriteOne(storage::PhysicalStorage& storage, storage::WriteBatch batch) {
  storage::WriteBatch* const one = &batch;
  return storage.Write({&one, 1});
}
inline absl::Status PutOne(storage::PhysicalStorage& storage, std::string key, std::string value) {
  storage::WriteBatch batch;
  batch.Put(std::move(key), std::move(value));
  return WriteOne(storage, std::move(batch));
}

}  // namespace belfry::seal
