#include "server/plugin_host/plugin_log.h"

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "absl/strings/ascii.h"
#include "base/escaping.h"
#include "base/text.h"
#include "base/utf8.h"

namespace belfry::plugin_host {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxFields = 32;

struct LevelName {
  std::string_view name;
  std::string_view tag;
  LogLevel level;
};
constexpr std::array<LevelName, 5> kLevels = {{{"trace", "[TRACE]", LogLevel::kTrace},
                                               {"debug", "[DEBUG]", LogLevel::kDebug},
                                               {"info", "[INFO]", LogLevel::kInfo},
                                               {"warn", "[WARN]", LogLevel::kWarn},
                                               {"error", "[ERROR]", LogLevel::kError}}};

// nullptr unless it is there and a text: plugins have brought down hosts that relied on it.
const json::string* Text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains({key.data(), key.size()});
  return value == nullptr ? nullptr : value->if_string();
}

std::optional<LogLevel> LevelNamed(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(name));
  for (const LevelName& level : kLevels) {
    if (lower == level.name) return level.level;
  }
  return std::nullopt;
}

std::string FieldText(const json::value& value) {
  if (const json::string* text = value.if_string()) return {text->data(), text->size()};
  return json::serialize(value);
}

std::optional<PluginLogRecord> ParseObject(std::string_view line) {
  if (line.empty() || line.front() != '{') return std::nullopt;
  json::error_code error;
  const json::value parsed = json::parse({line.data(), line.size()}, error);
  if (error || !parsed.is_object()) return std::nullopt;
  const json::object& object = parsed.get_object();
  const json::string* level_name = Text(object, "@level");
  const json::string* message = Text(object, "@message");
  if (level_name == nullptr || message == nullptr) return std::nullopt;
  const std::optional<LogLevel> level = LevelNamed({level_name->data(), level_name->size()});
  if (!level) return std::nullopt;
  PluginLogRecord record{.level = *level, .message = {message->data(), message->size()}};
  for (const auto& [key, value] : object) {
    // Our own log line has a time already.
    if (key == "@level" || key == "@message" || key == "@timestamp") continue;
    if (record.fields.size() == kMaxFields) break;
    record.fields.emplace_back(std::string(key.data(), key.size()), FieldText(value));
  }
  return record;
}

std::optional<PluginLogRecord> ParseTagged(std::string_view line) {
  for (const LevelName& level : kLevels) {
    if (!line.starts_with(level.tag)) continue;
    const absl::string_view rest = ToAbsl(line.substr(level.tag.size()));
    return PluginLogRecord{.level = level.level,
                           .message = std::string(absl::StripLeadingAsciiWhitespace(rest))};
  }
  return std::nullopt;
}

}  // namespace

PluginLogRecord PluginLogParser::Parse(std::string_view line) {
  if (std::optional<PluginLogRecord> record = ParseObject(line)) return *std::move(record);
  if (std::optional<PluginLogRecord> record = ParseTagged(line)) return *std::move(record);
  if (line.starts_with("panic: ") || line.starts_with("fatal error: ")) panicking_ = true;
  return {.level = panicking_ ? LogLevel::kError : LogLevel::kDebug,
          .message = std::string(line),
          .fields = {},
          .plain = true};
}

void LineSplitter::Add(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t room = max_line_bytes_ - kept_.size();
    const std::size_t end = bytes.substr(0, room + 1).find('\n');
    if (end == std::string_view::npos) {
      const std::string_view piece = bytes.substr(0, room);
      kept_ += piece;
      bytes.remove_prefix(piece.size());
      if (kept_.size() == max_line_bytes_ && !bytes.empty()) Finish();
      continue;
    }
    kept_ += bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (kept_.ends_with('\r')) kept_.pop_back();
    line_(kept_);
    kept_.clear();
  }
}

void LineSplitter::Finish() {
  if (kept_.empty()) return;
  line_(kept_);
  kept_.clear();
}

std::size_t LineSplitter::Forget() {
  const std::size_t bytes = kept_.size();
  kept_.clear();
  return bytes;
}

std::string OneLine(std::string_view text, std::size_t max_bytes) {
  std::string line;
  for (std::string_view rest = text.substr(0, max_bytes); !rest.empty();) {
    const Utf8Character next = FirstCharacter(rest);
    line += next.valid && IsPlainCharacter(next.code) ? rest.substr(0, next.size) : " ";
    rest.remove_prefix(next.size);
  }
  if (text.size() > max_bytes) line += " …";
  return line;
}

PluginLog::PluginLog(const Logger& logger, std::size_t max_line_bytes, LogBudget* budget,
                     std::function<void(const PluginLogRecord&)> on_record)
    : host_logger_(logger),
      logger_(logger.Named("output")),
      on_record_(std::move(on_record)),
      budget_(budget),
      lines_(max_line_bytes, [this](std::string_view line) { Log(line); }) {}

void PluginLog::Append(std::string_view bytes) {
  // A flood is counted, and not even looked at.
  if (budget_->Drop(bytes.size(), std::chrono::steady_clock::now())) {
    budget_->AddDropped(lines_.Forget());
    in_dropped_line_ = true;
    return;
  }
  if (in_dropped_line_) bytes = AfterDroppedLine(bytes);
  lines_.Add(bytes);
}

std::string_view PluginLog::AfterDroppedLine(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  in_dropped_line_ = end == std::string_view::npos;
  const std::size_t dropped = in_dropped_line_ ? bytes.size() : end + 1;
  budget_->AddDropped(dropped);
  return bytes.substr(dropped);
}

void PluginLog::Finish() {
  lines_.Finish();
  TellOfDropped();
}

void PluginLog::TellOfDropped() {
  const std::size_t dropped = budget_->TakeDropped();
  if (dropped == 0) return;
  host_logger_.Warn("dropped what the plugin wrote beyond its share of the log",
                    {{"bytes", std::to_string(dropped)}});
}

void PluginLog::Log(std::string_view line) {
  if (!budget_->Take(line.size(), std::chrono::steady_clock::now())) {
    if (budget_->HasBegunToDrop()) {
      host_logger_.Warn("the plugin writes more than its share of the log; the rest is dropped",
                        {{"bytes_per_second", std::to_string(budget_->bytes_per_second())}});
    }
    return;
  }
  TellOfDropped();
  const PluginLogRecord record = parser_.Parse(line);
  if (on_record_) on_record_(record);
  std::vector<LogField> fields;
  for (const auto& [key, value] : record.fields) fields.push_back({key, value});
  logger_.Write(record.level, record.message, fields);
}

}  // namespace belfry::plugin_host
