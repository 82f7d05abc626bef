#include "sdk/src/plugin_log.h"

#include <unistd.h>

#include <array>

#include "absl/time/clock.h"
#include "base/utf8.h"
#include "belfry/json.h"

namespace belfry::internal {
namespace {

constexpr std::size_t kMaxTextBytes = 8 * 1024;

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

std::string Cut(std::string_view text) {
  return ValidUtf8(text.substr(0, kMaxTextBytes));
}

}  // namespace

std::string FormatLogLine(LogLevel level, std::string_view message, LogFields fields,
                          absl::Time now) {
  Json::Object record;
  for (const auto& [name, value] : fields) record[Cut(name)] = Cut(value);
  record["@level"] = Name(level);
  record["@message"] = Cut(message);
  record["@timestamp"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone());
  return Json(std::move(record)).Dump() + "\n";
}

void PluginLog::DoWrite(LogLevel level, std::string_view message, LogFields fields) const {
  const std::string line = FormatLogLine(level, message, fields, absl::Now());
  [[maybe_unused]] const ssize_t written = ::write(fd_, line.data(), line.size());
}

}  // namespace belfry::internal
