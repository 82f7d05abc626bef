#pragma once

#include <stop_token>
#include <thread>

#include "absl/time/time.h"
#include "belfry/log.h"
#include "sdk/src/engine_instance.h"
#include "sdk/src/stop_signal.h"

namespace belfry::internal {

// Does what an engine has to do in the background until it has succeeded, with growing pauses after
// failures. Start and Stop are for one thread at a time.
class BackgroundThread final {
 public:
  static constexpr absl::Duration kFirstPause = absl::Seconds(1);
  static constexpr absl::Duration kLongestPause = absl::Minutes(1);

  // Both must outlive it.
  BackgroundThread(EngineInstance* engine, const Log* log, absl::Duration first_pause = kFirstPause)
      : engine_(engine), log_(log), first_pause_(first_pause) {}
  ~BackgroundThread() { Stop(); }
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

  // Once; nothing happens where there is nothing to do.
  void Start();
  // Returns when nothing runs any more. There is no new start.
  void Stop();

 private:
  void Run();

  EngineInstance* const engine_;
  const Log* const log_;
  const absl::Duration first_pause_;
  std::stop_source stop_;
  StopSignal stopped_;
  std::thread thread_;
};

}  // namespace belfry::internal
