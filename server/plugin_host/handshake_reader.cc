#include "server/plugin_host/handshake_reader.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/text.h"

namespace belfry::plugin_host {

HandshakeReader::HandshakeReader(const Logger& logger, std::size_t max_line_bytes,
                                 LogBudget* budget, std::function<void(const ExitStatus&)> on_exit)
    : max_line_bytes_(max_line_bytes),
      on_exit_(std::move(on_exit)),
      output_log_(logger, max_line_bytes, budget),
      error_log_(logger, max_line_bytes, budget,
                 [this](const PluginLogRecord& record) { last_errors_.Add(record); }) {}

std::string HandshakeReader::LastErrorsAtEnd(absl::Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(limit);
  MutexLock lock(&mutex_);
  while (!exit_ && changed_.WaitUntil(&mutex_, deadline)) {
  }
  return last_errors_.Text();
}

absl::StatusOr<std::string> HandshakeReader::WaitForLine(absl::Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(limit);
  MutexLock lock(&mutex_);
  while (!line_ && !exit_) {
    if (!changed_.WaitUntil(&mutex_, deadline) && !line_ && !exit_) {
      return absl::UnavailableError(
          Concat({"it printed no handshake line within ", absl::FormatDuration(limit),
                  "; a plugin prints it as soon as it listens"}));
    }
  }
  if (line_) return *line_;
  return absl::UnavailableError(
      Concat({"it ", Describe(*exit_),
              " before its handshake; what it printed on standard error is in the log"}));
}

void HandshakeReader::OnOutput(std::string_view bytes) {
  {
    MutexLock lock(&mutex_);
    if (!line_) {
      const std::size_t end = bytes.find('\n');
      partial_ += bytes.substr(0, end);
      bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
      if (end != std::string_view::npos || partial_.size() > max_line_bytes_) {
        line_ = std::move(partial_);
        changed_.NotifyAll();
      }
    }
  }
  output_log_.Append(bytes);
}

void HandshakeReader::OnErrorOutput(std::string_view bytes) {
  error_log_.Append(bytes);
}

void HandshakeReader::OnExit(const ExitStatus& status) {
  output_log_.Finish();
  error_log_.Finish();
  {
    MutexLock lock(&mutex_);
    exit_ = status;
    changed_.NotifyAll();
  }
  on_exit_(status);
}

}  // namespace belfry::plugin_host
