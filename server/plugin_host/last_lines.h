#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/plugin_host/plugin_log.h"

namespace belfry::plugin_host {

// The last lines of a plugin's standard error, as part of a sentence: bounded, and each on one
// line. Of its log only warnings and errors count. Thread-safe.
class LastLines final {
 public:
  void Add(const PluginLogRecord& record);
  // "line | line", oldest first; empty when there is none.
  std::string Text() const;

 private:
  static constexpr std::size_t kMostLines = 5;
  static constexpr std::size_t kMostBytesOfALine = 300;

  mutable Mutex mutex_;
  std::deque<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
