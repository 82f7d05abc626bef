#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace belfry {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };

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

// Lines on standard error, "<time> [LEVEL]  logger: message: key=value", none below `minimum`. A
// message, key or value that could be taken for something else, or has characters that do not show
// as themselves, is Quoted (escaping.h): one call is one line with the fields of that call.
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
