#include "server/plugin_host/large_paths.h"

#include <algorithm>
#include <string>

#include "absl/hash/hash.h"

namespace belfry::plugin_host {
namespace {

std::string KeyOf(std::string_view path) {
  return std::to_string(absl::Hash<std::string_view>{}(path));
}

}  // namespace

LargePaths::LargePaths(const Limits& limits)
    : large_bytes_(limits.large_plugin_request_bytes), paths_(limits.max_large_path_cache_bytes) {}

void LargePaths::Note(std::string_view path, std::size_t bytes) {
  if (bytes < large_bytes_) return;
  const std::string key = KeyOf(path);
  MutexLock lock(&mutex_);
  if (std::size_t* const known = paths_.Find(key)) {
    *known = std::max(*known, bytes);
  } else {
    paths_.Put(key, bytes);
  }
}

std::size_t LargePaths::BytesOf(std::string_view path) const {
  MutexLock lock(&mutex_);
  const std::size_t* const known = paths_.size() == 0 ? nullptr : paths_.Find(KeyOf(path));
  return known == nullptr ? 0 : *known;
}

}  // namespace belfry::plugin_host
