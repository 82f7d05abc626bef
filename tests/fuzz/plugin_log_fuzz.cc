// What a plugin prints on standard error: one byte that says how it comes, then the output.
// (plugin-protocol 1.6)

#include "server/plugin_host/plugin_log.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace belfry::plugin_host {
namespace {

constexpr std::size_t kMaxLineBytes = 64;
constexpr std::size_t kMaxFields = 32;
// A number may be written longer than it came: 1e3 and 1E3.
constexpr std::size_t kGrowth = 8;

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
  BELFRY_CLAIM(std::none_of(line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }));
}

}  // namespace
}  // namespace belfry::plugin_host

void belfry::fuzz::Examine(std::string_view input) {
  if (input.empty()) return;
  const auto piece_bytes = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  plugin_host::ExamineLines(input, piece_bytes == 0 ? 1 : piece_bytes);
  plugin_host::ExamineSentence(input);
  plugin_host::PluginLogParser parser;
  while (!input.empty()) plugin_host::ExamineRecord(parser, TakeLine(input));
}
