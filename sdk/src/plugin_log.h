#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "belfry/log.h"

namespace belfry::internal {

// The line that a host reads as a log record: a JSON object with string values only, because a
// host may die of any other kind, and six digits of fraction. Ends in '\n'; texts are cut so that
// the line stays below the 64 KiB that hosts read at once. (plugin-protocol 1.6)
std::string FormatLogLine(LogLevel level, std::string_view message, LogFields fields,
                          absl::Time now);

// Writes such lines to a file descriptor, each with one write(), so that lines of several threads
// never mix. Threads: safe. Errors are ignored: there is nowhere to report them.
class PluginLog final : public Log {
 public:
  // `fd` is not owned and must stay open.
  explicit PluginLog(int fd) : fd_(fd) {}

 private:
  void DoWrite(LogLevel level, std::string_view message, LogFields fields) const override;

  const int fd_;
};

}  // namespace belfry::internal
