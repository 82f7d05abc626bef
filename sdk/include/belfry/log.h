#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

namespace belfry {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// Details of a log line, each with its name.
using LogFields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Writes to the host's log, where lines stand below the plugin's name. Hosts show kInfo and above
// unless they are asked for more; Belfry by `-log-level=debug`.
//
// **Never log a secret.**
// Threads: safe to use from several at once. Lives as long as the engine. Never fails: a line that
// cannot be written is dropped. Limits: the message and each name and value are cut at 8 KiB, and
// hosts drop what comes too fast.
class Log {
 public:
  virtual ~Log() = default;
  void Debug(std::string_view message, LogFields fields = {}) const {
    Write(LogLevel::kDebug, message, fields);
  }
  void Info(std::string_view message, LogFields fields = {}) const {
    Write(LogLevel::kInfo, message, fields);
  }
  void Warn(std::string_view message, LogFields fields = {}) const {
    Write(LogLevel::kWarn, message, fields);
  }
  void Error(std::string_view message, LogFields fields = {}) const {
    Write(LogLevel::kError, message, fields);
  }
  void Write(LogLevel level, std::string_view message, LogFields fields = {}) const {
    DoWrite(level, message, fields);
  }

 private:
  virtual void DoWrite(LogLevel level, std::string_view message, LogFields fields) const = 0;
};

}  // namespace belfry
