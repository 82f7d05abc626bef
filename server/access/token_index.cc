#include "server/access/token_index.h"

#include <utility>

namespace belfry::access {

std::shared_ptr<const LiveToken> TokenIndex::Find(std::string_view key) const {
  const Shard& shard = shards_[ShardOf(key)];
  MutexLock lock(&shard.mutex);
  const auto it = shard.tokens.find(key);
  return it == shard.tokens.end() ? nullptr : it->second;
}

void TokenIndex::Put(const std::string& key, std::shared_ptr<const LiveToken> token) {
  Shard& shard = shards_[ShardOf(key)];
  MutexLock lock(&shard.mutex);
  // What was there is dropped without the lock.
  shard.tokens[key].swap(token);
}

void TokenIndex::Erase(const std::string& key) {
  std::shared_ptr<const LiveToken> dropped;
  Shard& shard = shards_[ShardOf(key)];
  MutexLock lock(&shard.mutex);
  const auto it = shard.tokens.find(key);
  if (it == shard.tokens.end()) return;
  dropped = std::move(it->second);
  shard.tokens.erase(it);
}

}  // namespace belfry::access
