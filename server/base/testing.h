#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/logging.h"
#include "server/base/mutex.h"
#include "server/base/text.h"

namespace belfry {

// Keeps log lines for a test to look at, each as "logger: message: key=value". Thread-safe.
class RecordingLogSink final : public LogSink {
 public:
  void Write(LogLevel, std::string_view logger, std::string_view message,
             std::span<const LogField> fields) override {
    std::string line = Concat({logger, ": ", message});
    if (!fields.empty()) line += ':';
    for (const LogField& field : fields) line += Concat({" ", field.key, "=", field.value});
    MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }

  std::vector<std::string> Lines() const {
    MutexLock lock(&mutex_);
    return lines_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry
