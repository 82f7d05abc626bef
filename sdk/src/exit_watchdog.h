#pragma once

#include <chrono>
#include <thread>

#include "sdk/src/stop_signal.h"

namespace belfry::internal {

// Ends the process with exit code 0 unless it is destroyed within `limit`: hosts kill after 2 s,
// and a handler that never returns must not leave the socket file behind. (plugin-protocol 1.7)
class ExitWatchdog final {
 public:
  // `last_words` runs before the process ends; it must not need what may be stuck.
  template <typename F>
  ExitWatchdog(std::chrono::milliseconds limit, F last_words)
      : thread_([this, deadline = std::chrono::steady_clock::now() + limit, last_words] {
          if (finished_.WaitUntil(deadline)) return;
          last_words();
          EndProcess();
        }) {}
  ~ExitWatchdog() {
    finished_.Request();
    thread_.join();
  }
  ExitWatchdog(const ExitWatchdog&) = delete;
  ExitWatchdog& operator=(const ExitWatchdog&) = delete;

 private:
  [[noreturn]] static void EndProcess();

  StopSignal finished_;
  std::thread thread_;
};

}  // namespace belfry::internal
