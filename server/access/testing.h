#pragma once

#include <memory>

#include "base/clock.h"
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

}  // namespace belfry::access
