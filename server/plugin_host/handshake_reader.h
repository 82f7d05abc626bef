#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/plugin_host/last_lines.h"
#include "server/plugin_host/plugin_log.h"
#include "server/plugin_host/process.h"

namespace belfry::plugin_host {

// Takes what a plugin prints: the first line of standard output for whoever waits for the
// handshake, everything else into the log. Thread-safe.
class HandshakeReader final : public ProcessObserver {
 public:
  // `budget`, of all that the plugin writes, must outlive it. `on_exit` runs once, on the process's
  // thread.
  HandshakeReader(const Logger& logger, std::size_t max_line_bytes, LogBudget* budget,
                  std::function<void(const ExitStatus&)> on_exit);

  // The first line. Unavailable, with what the plugin did instead, when it ended or stayed silent
  // for `limit`.
  absl::StatusOr<std::string> WaitForLine(absl::Duration limit);

  // The last lines of standard error, as part of a sentence; when the process ends within `limit`,
  // all of them.
  std::string LastErrorsAtEnd(absl::Duration limit);
  std::string LastErrors() const { return last_errors_.Text(); }

  void OnOutput(std::string_view bytes) override;
  void OnErrorOutput(std::string_view bytes) override;
  void OnExit(const ExitStatus& status) override;

 private:
  const std::size_t max_line_bytes_;
  const std::function<void(const ExitStatus&)> on_exit_;
  LastLines last_errors_;
  PluginLog output_log_;  // Used by the process's thread alone, like the next.
  PluginLog error_log_;
  Mutex mutex_;
  CondVar changed_;
  std::string partial_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::string> line_ ABSL_GUARDED_BY(mutex_);
  std::optional<ExitStatus> exit_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
