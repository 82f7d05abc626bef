#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "belfry/log.h"
#include "belfry/testing/fake_host.h"

namespace belfry::testing {

// The lines that a plugin logged, for a test to look at. Thread-safe.
class RecordedLog final : public Log {
 public:
  std::vector<LoggedLine> All() const {
    MutexLock lock(&mutex_);
    return lines_;
  }

 private:
  void DoWrite(LogLevel level, std::string_view message, LogFields fields) const override {
    LoggedLine line{.level = level, .message = std::string(message), .fields = {}};
    for (const auto& [name, value] : fields) line.fields[std::string(name)] = value;
    MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }

  mutable Mutex mutex_;
  mutable std::vector<LoggedLine> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::testing
