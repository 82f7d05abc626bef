// What a plugin prints on standard error: one byte that says how it comes, then the output.
// (plugin-protocol 1.6)

#include "server/plugin_host/plugin_log.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/escaping.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::plugin_host {
namespace {

constexpr std::size_t kMaxLineBytes = 64;
constexpr std::size_t kMaxFields = 32;
// A number may be written longer than it came: 1e3 and 1E3.
constexpr std::size_t kGrowth = 8;

// Claims about what the log is given, whatever the plugin wrote.
class CountingSink final : public LogSink {
 public:
  void Write(LogLevel, std::string_view logger, std::string_view message,
             std::span<const LogField> fields) override {
    const bool hosts = logger == "kv";
    BELFRY_CLAIM(hosts || logger == "kv.output");
    BELFRY_CLAIM(!hosts || message.find("share of the log") != std::string_view::npos);
    BELFRY_CLAIM(fields.size() <= kMaxFields);
  }
};

std::vector<std::string> Lines(std::string_view text, std::size_t piece_bytes) {
  std::vector<std::string> lines;
  LineSplitter splitter(kMaxLineBytes, [&](std::string_view line) { lines.emplace_back(line); });
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_bytes);
    splitter.Add(piece);
    text.remove_prefix(piece.size());
  }
  splitter.Finish();
  return lines;
}

std::size_t CountBytes(const std::vector<std::string>& lines) {
  std::size_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size();
  return bytes;
}

void ExamineLines(std::string_view text, std::size_t piece_bytes) {
  const std::vector<std::string> lines = Lines(text, text.size());
  BELFRY_CLAIM(lines == Lines(text, piece_bytes));
  for (const std::string& line : lines) {
    BELFRY_CLAIM(line.size() <= kMaxLineBytes);
    BELFRY_CLAIM(line.find('\n') == std::string::npos);
  }
  // Nothing is lost but the ends of lines.
  const auto ends = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  const auto returns = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\r'));
  BELFRY_CLAIM(CountBytes(lines) + ends <= text.size());
  BELFRY_CLAIM(CountBytes(lines) + ends + returns >= text.size());
}

void ExamineRecord(PluginLogParser& parser, std::string_view line) {
  const PluginLogRecord record = parser.Parse(line);
  BELFRY_CLAIM(record.level >= LogLevel::kTrace && record.level <= LogLevel::kError);
  BELFRY_CLAIM(record.fields.size() <= kMaxFields);
  std::size_t bytes = record.message.size();
  for (const auto& [key, value] : record.fields) bytes += key.size() + value.size();
  BELFRY_CLAIM(bytes <= kGrowth * line.size());
  // What is no JSON object is kept word for word, but for its tag.
  if (!line.starts_with('{')) BELFRY_CLAIM(line.ends_with(record.message));
}

void ExamineSentence(std::string_view text) {
  constexpr std::size_t kMaxBytes = 16;
  const std::string line = OneLine(text, kMaxBytes);
  BELFRY_CLAIM(line.size() <= kMaxBytes + std::string_view(" …").size());
  BELFRY_CLAIM(IsPlainText(line));
}

// However it is cut, the host's own lines are only those about the plugin's share, and nothing that
// was dropped stays untold.
void ExamineBudget(std::string_view text, std::size_t piece_bytes) {
  constexpr std::size_t kBurst = 200;
  LogBudget budget(kBurst, kBurst);
  PluginLog log(Logger(std::make_shared<CountingSink>(), "kv"), kMaxLineBytes, &budget);
  for (; !text.empty(); text.remove_prefix(std::min(piece_bytes, text.size())))
    log.Append(text.substr(0, piece_bytes));
  log.Finish();
  BELFRY_CLAIM(budget.TakeDropped() == 0);
}

// What a line of the log looks like when a plugin has written it.
void ExamineQuoted(std::string_view text) {
  const std::string quoted = Quoted(text);
  BELFRY_CLAIM(IsPlainText(quoted));
  BELFRY_CLAIM(quoted.size() <= 2 + 10 * text.size());
  bool escaped = false;
  for (const char c : std::string_view(quoted).substr(1, quoted.size() - 2)) {
    BELFRY_CLAIM(escaped || c != '"');
    escaped = !escaped && c == '\\';
  }
  BELFRY_CLAIM(!escaped);
}

}  // namespace
}  // namespace belfry::plugin_host

void belfry::fuzz::Examine(std::string_view input) {
  if (input.empty()) return;
  const auto piece_bytes = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  plugin_host::ExamineLines(input, piece_bytes == 0 ? 1 : piece_bytes);
  plugin_host::ExamineSentence(input);
  plugin_host::ExamineQuoted(input);
  plugin_host::ExamineBudget(input, piece_bytes == 0 ? 1 : piece_bytes);
  plugin_host::PluginLogParser parser;
  while (!input.empty()) plugin_host::ExamineRecord(parser, TakeLine(input));
}
