#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "belfry/engine.h"
#include "plugins/kv/versioned_store.h"

namespace belfry::kv {

// Makes what version 1 has left in a mount the first versions of keys. Meanwhile requests are
// refused, as Vault does (vault-api 6). What is still there under version 1 is what is left to do,
// so that a crash at any point does no harm. Nobody is told: no secret changes. Thread-safe.
class Upgrade {
 public:
  // `from` is where version 1 keeps things; `to` must outlive it. Both have the same names.
  Upgrade(std::string from, const VersionedStore* to) : from_(std::move(from)), to_(to) {}

  // Looks whether there is something to do. Codes as of Storage.
  absl::Status Prepare(Storage& storage);
  // InvalidArgument until it is done.
  absl::Status Refusal() const;
  // Does it. Cancelled when it is to stop; codes as of Storage, and then the next call goes on.
  absl::Status Run(HookContext& context);

 private:
  absl::Status UpgradeFolder(HookContext& context, const std::string& folder);
  absl::Status UpgradeKey(Storage& storage, const std::string& name) const;

  const std::string from_;
  const VersionedStore* const to_;
  std::atomic<bool> pending_ = false;
};

}  // namespace belfry::kv
