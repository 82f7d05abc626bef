#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "plugins/kv/key_metadata.h"

namespace belfry::kv {

// The metadata of the keys that were asked for last: every request about a key begins with it, and
// the plugin is the only writer of its storage, or is told (Invalidate). Thread-safe.
class MetadataCache {
 public:
  // Between `most` and twice as many are kept. Those of keys with many versions are not, so that
  // what is kept stays within a few MiB.
  static constexpr std::size_t kMost = 1024;
  static constexpr std::size_t kMostVersions = 32;

  explicit MetadataCache(std::size_t most = kMost) : most_(most) {}

  // nullopt: not known. `place` is where the metadata is stored.
  std::optional<KeyMetadata> Find(const std::string& place);
  // To be asked before storage is, for Keep.
  std::uint64_t now() const;
  // What storage held, or holds now, at `place`; forgotten if anything was invalidated since.
  void Keep(const std::string& place, const KeyMetadata& metadata, std::uint64_t since);
  void Forget(const std::string& place);
  // A change of it failed in a way that leaves open whether it has been done, or is yet to be.
  // Until a change of it has succeeded (MarkCertain), what storage holds there is not kept.
  void MarkUncertain(const std::string& place);
  void MarkCertain(const std::string& place);
  // Another node has changed what is stored there.
  void Invalidate(std::string_view place);

 private:
  // Shared with whoever copies it.
  using Map = std::unordered_map<std::string, std::shared_ptr<const KeyMetadata>>;

  void Insert(const std::string& place, std::shared_ptr<const KeyMetadata> metadata);

  const std::size_t most_;
  mutable std::mutex mutex_;
  // Guarded by mutex_. When `young_` is full it becomes `old_`; what is asked for becomes young.
  Map young_;
  Map old_;
  std::uint64_t invalidations_ = 0;
  // While as many are in doubt as may be kept, nothing is kept at all.
  std::unordered_set<std::string> doubtful_;
};

}  // namespace belfry::kv
