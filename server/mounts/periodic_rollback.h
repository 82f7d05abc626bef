#pragma once

#include <memory>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/scheduler.h"
#include "server/mounts/router.h"

namespace belfry::mounts {

// Asks the engine of every mount, once per interval, to finish what it has begun and to do what is
// due: the operation "rollback", which runs Engine::Every of our SDK and the PeriodicFunc of
// Go plugins. A mount whose last request has not been answered yet is left out. Failures are
// logged; an engine that knows no such operation is none. Thread-safe. (plugin-protocol 6.4)
class PeriodicRollback {
 public:
  struct Options {
    // All pointers must outlive the object.
    const MountRouter* router = nullptr;
    const Clock* clock = nullptr;
    Scheduler* scheduler = nullptr;
    absl::Duration interval = absl::Minutes(1);
    // How long an engine may take.
    absl::Duration request_limit = absl::Seconds(90);
    Logger logger;
  };

  // The first requests are sent after the first interval.
  static std::unique_ptr<PeriodicRollback> Start(Options options);
  // Sends no more; does not wait for answers.
  virtual ~PeriodicRollback() = default;
};

}  // namespace belfry::mounts
