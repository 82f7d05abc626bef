#include "sdk/src/stdio_buffer.h"

#include <algorithm>

#include "base/text.h"

namespace belfry::internal {

void StdioBuffer::Append(std::string_view text) {
  MutexLock lock(&mutex_);
  const std::size_t room = kMaxBytes - std::min(kMaxBytes, text_.size());
  const std::size_t kept = dropped_bytes_ > 0 ? 0 : std::min(room, text.size());
  text_ += text.substr(0, kept);
  dropped_bytes_ += text.size() - kept;
  changed_.NotifyAll();
}

std::string StdioBuffer::TakeChunk() {
  std::string chunk = text_.substr(0, kMaxChunkBytes);
  text_.erase(0, chunk.size());
  if (text_.empty() && dropped_bytes_ > 0) {
    text_ = Concat({"\n[", std::to_string(dropped_bytes_), " bytes of output were dropped]\n"});
    dropped_bytes_ = 0;
  }
  return chunk;
}

void StdioBuffer::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.NotifyAll();
}

}  // namespace belfry::internal
