#pragma once

#include <memory>

#include "server/access/policy_store.h"
#include "server/storage/storage.h"

namespace belfry::access {

// A policy store over memory, for tests of whoever asks one.
struct MemoryPolicies {
  std::unique_ptr<storage::Storage> storage = storage::NewInMemoryStorage();
  std::unique_ptr<PolicyStore> store = *PolicyStore::Open(storage.get());
};

}  // namespace belfry::access
