#include "base/logging.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <utility>

#include "base/escaping.h"
#include "base/text.h"

namespace belfry {
namespace {

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// As wide as the widest, so that loggers' names stand in one column.
std::string_view LevelTag(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "[TRACE] ";
    case LogLevel::kDebug:
      return "[DEBUG] ";
    case LogLevel::kInfo:
      return "[INFO]  ";
    case LogLevel::kWarn:
      return "[WARN]  ";
    case LogLevel::kError:
      return "[ERROR] ";
  }
  return "[ERROR] ";
}

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == '@' || c == '/';
}

// What others wrote stays on one line and cannot pass for another field: where a field begins can
// be told without knowing what it is about.

std::string KeyText(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), IsKeyCharacter);
  return bare ? std::string(key) : Quoted(key);
}

std::string ValueText(std::string_view value) {
  const bool bare =
      !value.empty() && value.find_first_of(" \"=") == std::string_view::npos && IsPlainText(value);
  return bare ? std::string(value) : Quoted(value);
}

// A bare message has neither '=' nor '"': the first of them belongs to the first field.
std::string MessageText(std::string_view message) {
  const bool bare = message.find_first_of("=\"") == std::string_view::npos && IsPlainText(message);
  return bare ? std::string(message) : Quoted(message);
}

class StderrLogSink final : public LogSink {
 public:
  explicit StderrLogSink(LogLevel minimum)
      : logger_("belfry", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(SpdlogLevel(minimum));
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc));
  }

  void Write(LogLevel level, std::string_view logger, std::string_view message,
             std::span<const LogField> fields) override {
    if (!logger_.should_log(SpdlogLevel(level))) return;
    std::string line(LevelTag(level));
    if (!logger.empty()) line += Concat({KeyText(logger), ": "});
    line += MessageText(message);
    if (!fields.empty()) line += ':';
    for (const LogField& field : fields)
      line += Concat({" ", KeyText(field.key), "=", ValueText(field.value)});
    logger_.log(SpdlogLevel(level), spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

std::shared_ptr<LogSink> NewStderrLogSink(LogLevel minimum) {
  return std::make_shared<StderrLogSink>(minimum);
}

Logger::Logger(std::shared_ptr<LogSink> sink, std::string name)
    : sink_(std::move(sink)), name_(std::move(name)) {}

Logger Logger::Named(std::string_view name) const {
  return Logger(sink_, name_.empty() ? std::string(name) : Concat({name_, ".", name}));
}

void Logger::Write(LogLevel level, std::string_view message,
                   std::initializer_list<LogField> fields) const {
  if (sink_) sink_->Write(level, name_, message, {fields.begin(), fields.size()});
}

void Logger::Write(LogLevel level, std::string_view message,
                   std::span<const LogField> fields) const {
  if (sink_) sink_->Write(level, name_, message, fields);
}

void Logger::Debug(std::string_view message, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kDebug, message, fields);
}

void Logger::Info(std::string_view message, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kInfo, message, fields);
}

void Logger::Warn(std::string_view message, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kWarn, message, fields);
}

void Logger::Error(std::string_view message, std::initializer_list<LogField> fields) const {
  Write(LogLevel::kError, message, fields);
}

}  // namespace belfry
