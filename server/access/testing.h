#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/access/cubbyholes.h"
#include "server/access/policy_store.h"
#include "server/access/role_store.h"
#include "server/access/token_store.h"
#include "server/storage/storage.h"

namespace belfry::access {

// A storage in memory whose changes can be made to fail, and which says what it holds. Not
// thread-safe in what it is told.
class FaultyStorage final : public storage::Storage {
 public:
  bool refuse_deletes = false;
  bool refuse_puts = false;

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return base_->Get(key);
  }
  absl::Status Put(std::string_view key, std::string_view value) override {
    return refuse_puts ? absl::UnavailableError("no") : base_->Put(key, value);
  }
  absl::Status Delete(std::string_view key) override {
    return refuse_deletes ? absl::UnavailableError("no") : base_->Delete(key);
  }
  absl::Status Apply(std::span<const storage::Operation> operations) override {
    return refuse_puts || refuse_deletes ? absl::UnavailableError("no") : base_->Apply(operations);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return base_->List(prefix);
  }
  std::string Everything() const {
    std::string all;
    const auto ids = *base_->List("id/");
    for (const std::string& id : ids) {
      all += id;
      all += **base_->Get("id/" + id);
    }
    return all;
  }

 private:
  const std::unique_ptr<storage::Storage> base_ = storage::NewInMemoryStorage();
};

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

}  // namespace belfry::access
