#include "plugins/kv/metadata_cache.h"

#include <utility>

namespace belfry::kv {

std::optional<KeyMetadata> MetadataCache::Find(const std::string& place) {
  std::shared_ptr<const KeyMetadata> found;
  {
    const std::lock_guard lock(mutex_);
    if (const auto young = young_.find(place); young != young_.end()) {
      found = young->second;
    } else if (const auto old = old_.find(place); old != old_.end()) {
      found = old->second;
      old_.erase(old);
      Insert(place, found);
    }
  }
  return found ? std::optional(*found) : std::nullopt;
}

std::uint64_t MetadataCache::now() const {
  const std::lock_guard lock(mutex_);
  return invalidations_;
}

void MetadataCache::Keep(const std::string& place, const KeyMetadata& metadata,
                         std::uint64_t since) {
  auto copy = std::make_shared<const KeyMetadata>(metadata);
  const std::lock_guard lock(mutex_);
  old_.erase(place);
  young_.erase(place);
  const bool sure = since == invalidations_ && !doubtful_.contains(place);
  if (sure && doubtful_.size() < most_ && metadata.versions.size() <= kMostVersions) {
    Insert(place, std::move(copy));
  }
}

void MetadataCache::MarkUncertain(const std::string& place) {
  Forget(place);
  const std::lock_guard lock(mutex_);
  if (doubtful_.size() < most_) doubtful_.insert(place);
}

void MetadataCache::MarkCertain(const std::string& place) {
  const std::lock_guard lock(mutex_);
  doubtful_.erase(place);
}

void MetadataCache::Insert(const std::string& place, std::shared_ptr<const KeyMetadata> metadata) {
  if (young_.size() >= most_) old_ = std::exchange(young_, {});
  young_.insert_or_assign(place, std::move(metadata));
}

void MetadataCache::Forget(const std::string& place) {
  const std::lock_guard lock(mutex_);
  old_.erase(place);
  young_.erase(place);
}

void MetadataCache::Invalidate(std::string_view place) {
  const std::lock_guard lock(mutex_);
  ++invalidations_;
  old_.erase(std::string(place));
  young_.erase(std::string(place));
}

}  // namespace belfry::kv
