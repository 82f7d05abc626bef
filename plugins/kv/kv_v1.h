#pragma once

#include <optional>
#include <string>

#include "belfry/engine.h"
#include "plugins/kv/key_locks.h"
#include "plugins/kv/key_names.h"
#include "plugins/kv/plain_store.h"

namespace belfry::kv {

// The engine without versions: a path holds the last object that was written to it.
// Events: kv-v1/write, kv-v1/delete; those of one path leave in the order of its writes.
class KvV1 {
 public:
  explicit KvV1(Engine& engine);

 private:
  // What a secret says of itself under "ttl" or "lease", else the mount's default.
  Lease LeaseOf(const Json::Object& secret) const;
  absl::StatusOr<std::optional<Json::Object>> Load(Request& request) const;
  Result Read(Request& request);
  Result Write(Request& request, const std::string& path);
  Result Delete(Request& request, const std::string& path);

  KeyNames names_;
  const PlainStore store_;
  // The mount has the option leased_passthrough=true: secrets that say for how long they are good
  // can be renewed. Else leases are a hint when to read again.
  const bool leases_;
  SecretKind& kind_;
  KeyLocks locks_;
};

}  // namespace belfry::kv
