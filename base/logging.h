#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace belfry {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };

// "trace", "debug", "info", "warn" or "error", in any case.
std::optional<LogLevel> LogLevelNamed(std::string_view name);

// One key and value of a log line. Never put a secret in one.
struct LogField {
  std::string_view key;
  std::string value;
};

// Where log lines go. Thread-safe.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Write(LogLevel level, std::string_view logger, std::string_view message,
                     std::span<const LogField> fields) = 0;
};

enum class LogFormat {
  // "<time> [LEVEL]  logger: message: key=value". A message, key or value that could be taken for
  // something else, or has characters that do not show as themselves, is Quoted (escaping.h).
  kStandard,
  // An object with the strings @timestamp, @level, @module and @message, as Vault's log has them,
  // and one for each field; an '@' in front of a field's key is doubled.
  kJson
};

// The log of a process: lines, none below a level, each written at once. One call is one line with
// the fields of that call, whatever is in them. A reader that takes nothing is waited for at most
// 100 ms, and for some seconds after that not at all: lines are lost, and one says how many. So are
// those that cannot be written to the file, which standard error says once.
class ProcessLog : public LogSink {
 public:
  virtual void SetMinimum(LogLevel minimum) = 0;
  // Opens the file again, which may have been renamed or removed, and makes it if need be. On an
  // error the lines go on going where they went. Nothing to do for standard error.
  virtual absl::Status Reopen() = 0;
};

struct ProcessLogOptions {
  LogLevel minimum = LogLevel::kInfo;
  LogFormat format = LogFormat::kStandard;
  // Appended to; made with mode 0600. Empty: standard error.
  std::string file;
};

// InvalidArgument when the file cannot be opened.
absl::StatusOr<std::shared_ptr<ProcessLog>> OpenProcessLog(const ProcessLogOptions& options);

// On standard error, in the standard format.
std::shared_ptr<LogSink> NewStderrLogSink(LogLevel minimum);

// A name and a place to write to; cheap to copy, thread-safe. One made without a sink discards
// everything.
class Logger {
 public:
  Logger() = default;
  // Shared: every Logger made from this one writes to the same sink, and the last one ends it.
  Logger(std::shared_ptr<LogSink> sink, std::string name);

  // A logger for a part: "core" named "mounts" is "core.mounts".
  Logger Named(std::string_view name) const;

  void Write(LogLevel level, std::string_view message,
             std::initializer_list<LogField> fields = {}) const;
  void Write(LogLevel level, std::string_view message, std::span<const LogField> fields) const;
  void Debug(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void Info(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void Warn(std::string_view message, std::initializer_list<LogField> fields = {}) const;
  void Error(std::string_view message, std::initializer_list<LogField> fields = {}) const;

 private:
  std::shared_ptr<LogSink> sink_;
  std::string name_;
};

}  // namespace belfry
