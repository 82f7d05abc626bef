#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/access/cubbyholes.h"
#include "server/access/policy_store.h"
#include "server/access/role_store.h"
#include "server/access/token_store.h"
#include "server/storage/committer.h"
#include "server/storage/storage.h"

namespace belfry::access {

// A policy store over memory, for tests of whoever asks one.
struct MemoryPolicies {
  std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage();
  std::unique_ptr<PolicyStore> store = *PolicyStore::Open(storage.get());
};

// Roles over memory.
struct MemoryRoles {
  std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage();
  RoleStore store{storage.get()};
};

// Cubbyholes over memory.
struct MemoryCubbyholes {
  // `clock` must outlive it.
  explicit MemoryCubbyholes(const Clock* clock) : store(storage.get(), clock) {}
  std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage();
  Cubbyholes store;
};

// A token store over memory, with the root token "root".
struct MemoryTokens {
  // `clock` must outlive it.
  explicit MemoryTokens(const Clock* clock) : store(*TokenStore::Open(storage.get(), clock)) {
    root = *store->CreateRoot("root");
  }
  std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage();
  std::unique_ptr<TokenStore> store;
  TokenStore::TokenPtr root;
};

// Notes what is committed, and holds it back when a test wants it. Thread-safe.
class GatedStorage final : public storage::Storage {
 public:
  explicit GatedStorage(storage::Storage* base) : base_(base) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return base_->Get(key);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return base_->List(prefix);
  }
  absl::StatusOr<std::vector<storage::Entry>> Scan(std::string_view prefix, std::string_view after,
                                                   std::size_t limit) const override {
    return base_->Scan(prefix, after, limit);
  }
  void Commit(storage::WriteBatch batch, Done done) override {
    {
      MutexLock lock(&mutex_);
      batches_.push_back(batch.operations);
      if (closed_) {
        held_.emplace_back(std::move(batch), std::move(done));
        changed_.NotifyOne();
        return;
      }
    }
    base_->Commit(std::move(batch), std::move(done));
  }

  // What is committed from now on is held back.
  void Close() {
    MutexLock lock(&mutex_);
    closed_ = true;
  }
  // Until so many batches are.
  void Await(std::size_t batches = 1) {
    MutexLock lock(&mutex_);
    while (held_.size() < batches) changed_.Wait(&mutex_);
  }
  // Commits what was held back, in its order.
  void Open() {
    Held held;
    {
      MutexLock lock(&mutex_);
      closed_ = false;
      held.swap(held_);
    }
    for (auto& [batch, done] : held) base_->Commit(std::move(batch), std::move(done));
  }
  // As "put key" and "delete key", of each batch since the last call.
  std::vector<std::vector<std::string>> Batches() {
    std::vector<std::vector<std::string>> batches;
    MutexLock lock(&mutex_);
    for (const auto& operations : std::exchange(batches_, {})) {
      batches.emplace_back();
      for (const storage::Operation& operation : operations) {
        batches.back().push_back((operation.value ? "put " : "delete ") + operation.key);
      }
    }
    return batches;
  }

 private:
  using Held = std::vector<std::pair<storage::WriteBatch, Done>>;

  storage::Storage* const base_;
  Mutex mutex_;
  CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  Held held_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<storage::Operation>> batches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::access
