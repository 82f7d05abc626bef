#include "sdk/src/background_thread.h"

#include <algorithm>
#include <chrono>

namespace belfry::internal {

void BackgroundThread::Start() {
  if (thread_.joinable() || stop_.stop_requested() || !engine_->has_background()) return;
  thread_ = std::thread([this] { Run(); });
}

void BackgroundThread::Stop() {
  stop_.request_stop();
  stopped_.Request();
  if (thread_.joinable()) thread_.join();
}

void BackgroundThread::Run() {
  for (absl::Duration pause = first_pause_;; pause = std::min(2 * pause, kLongestPause)) {
    const absl::Status status = engine_->RunBackground(stop_.get_token());
    if (status.ok() || stop_.stop_requested()) return;
    log_->Write(LogLevel::kWarn, "work in the background failed; it will be tried again",
                {{"error", status.ToString()}, {"after", absl::FormatDuration(pause)}});
    const auto until = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(pause);
    if (stopped_.WaitUntil(until)) return;
  }
}

}  // namespace belfry::internal
