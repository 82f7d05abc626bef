#include "server/plugin_host/last_lines.h"

#include "base/text.h"

namespace belfry::plugin_host {

void LastLines::Add(const PluginLogRecord& record) {
  if (!record.plain && record.level != LogLevel::kWarn && record.level != LogLevel::kError) return;
  std::string line = record.message;
  for (const auto& [key, value] : record.fields) line += Concat({" ", key, "=", value});
  MutexLock lock(&mutex_);
  lines_.push_back(OneLine(line, kMostBytesOfALine));
  if (lines_.size() > kMostLines) lines_.pop_front();
}

std::string LastLines::Text() const {
  MutexLock lock(&mutex_);
  std::string text;
  for (const std::string& line : lines_) text += Concat({text.empty() ? "" : " | ", line});
  return text;
}

}  // namespace belfry::plugin_host
