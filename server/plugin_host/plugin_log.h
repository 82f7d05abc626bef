#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/logging.h"
#include "server/plugin_host/log_budget.h"

namespace belfry::plugin_host {

// One line of a plugin's standard error, understood as far as possible.
struct PluginLogRecord {
  LogLevel level = LogLevel::kDebug;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;
  bool plain = false;  // The line itself: it had no form that we know.
};

// Understands the lines that plugins write: JSON objects of Go's hclog (and of our SDK), lines that
// begin with "[INFO]" and the like, Go's panics with all that follows them, and anything else as it
// is, at debug. Never fails, whatever the line holds. Not thread-safe. (plugin-protocol 1.6)
class PluginLogParser {
 public:
  PluginLogRecord Parse(std::string_view line);

 private:
  bool panicking_ = false;
};

// Cuts a stream of bytes into lines. One that is longer than `max_line_bytes` comes in pieces, so
// that no more than this is ever kept. Not thread-safe.
class LineSplitter {
 public:
  LineSplitter(std::size_t max_line_bytes, std::function<void(std::string_view)> line)
      : max_line_bytes_(max_line_bytes), line_(std::move(line)) {}

  void Add(std::string_view bytes);
  // The last line, when it has no end.
  void Finish();
  // Forgets what has come of the last line; returns its bytes.
  std::size_t Forget();

 private:
  const std::size_t max_line_bytes_;
  const std::function<void(std::string_view)> line_;
  std::string kept_;
};

// A plugin's standard error, as it comes in, into our log: under the logger's name and ".output",
// so that nothing in it can pass for a line that the host writes about the plugin under that name.
// What is beyond the budget is dropped, and told of by the host. Not thread-safe.
class PluginLog {
 public:
  // `budget`, of all that the plugin writes, must outlive it. `on_record`, if there is one, sees
  // each line before it is logged.
  PluginLog(const Logger& logger, std::size_t max_line_bytes, LogBudget* budget,
            std::function<void(const PluginLogRecord&)> on_record = nullptr);
  // The splitter refers to this object.
  PluginLog(const PluginLog&) = delete;
  PluginLog& operator=(const PluginLog&) = delete;

  void Append(std::string_view bytes);
  // Logs what came without a newline, and how much was dropped.
  void Finish();

 private:
  void Log(std::string_view line);
  // What is left once the rest of a line has gone whose beginning was dropped.
  std::string_view AfterDroppedLine(std::string_view bytes);
  void TellOfDropped();

  const Logger host_logger_;
  const Logger logger_;
  const std::function<void(const PluginLogRecord&)> on_record_;  // May be null.
  LogBudget* const budget_;
  bool in_dropped_line_ = false;
  PluginLogParser parser_;
  LineSplitter lines_;
};

// `text` as part of one sentence: what is not plain (escaping.h) becomes spaces, and at most
// `max_bytes` stay.
std::string OneLine(std::string_view text, std::size_t max_bytes = 300);

}  // namespace belfry::plugin_host
