#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"

namespace belfry::internal {

// What the plugin printed and the host has not read yet. (plugin-protocol 3.3)
//
// Threads: safe; several readers share what comes. Holds at most 256 KiB: what is printed beyond
// that is dropped, and a line says how many bytes, so that a plugin never blocks in printf because
// its host does not read.
class StdioBuffer final {
 public:
  static constexpr std::size_t kMaxBytes = 256 * 1024;
  static constexpr std::size_t kMaxChunkBytes = 1024;

  void Append(std::string_view text);
  // Waits for the next chunk; nullopt after Stop, or once `cancelled`, asked twice a second, says
  // so.
  template <typename Cancelled>
  std::optional<std::string> Next(Cancelled cancelled) {
    MutexLock lock(&mutex_);
    while (!stopped_ && !cancelled()) {
      if (!text_.empty()) return TakeChunk();
      changed_.WaitUntil(&mutex_,
                         std::chrono::steady_clock::now() + std::chrono::milliseconds(500));
    }
    return std::nullopt;
  }
  // Ends every wait.
  void Stop();

 private:
  std::string TakeChunk() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::size_t dropped_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::internal
