#pragma once

#include <cstddef>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "base/limits.h"
#include "base/lru_cache.h"
#include "base/mutex.h"

namespace belfry::plugin_host {

// Which paths of a mount make its plugin take up much, and how much: the largest request that was
// accepted for a path, the largest answer, and the most that was read from storage for a request to
// it. Within Limits::max_large_path_cache_bytes; what was not asked for longest goes. Thread-safe.
class LargePaths {
 public:
  explicit LargePaths(const Limits& limits);

  // Nothing below Limits::large_plugin_request_bytes is kept.
  void Note(std::string_view path, std::size_t bytes);
  // 0: none that is known.
  std::size_t BytesOf(std::string_view path) const;

 private:
  const std::size_t large_bytes_;
  mutable Mutex mutex_;
  // By a hash: a long path takes up no more than a short one.
  mutable LruCache<std::size_t> paths_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
