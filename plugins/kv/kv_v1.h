#pragma once

#include <string>

#include "belfry/engine.h"
#include "plugins/kv/key_locks.h"

namespace belfry::kv {

// The engine without versions: a path holds the last object that was written to it.
// Events: kv-v1/write, kv-v1/delete; those of one path leave in the order of its writes.
class KvV1 {
 public:
  explicit KvV1(SecretsEngine& engine);

 private:
  Result Read(Request& request);
  Result Write(Request& request, const std::string& path);
  Result Delete(Request& request, const std::string& path);
  Result List(Request& request, const std::string& folder);

  const std::string prefix_;
  KeyLocks locks_;
};

}  // namespace belfry::kv
