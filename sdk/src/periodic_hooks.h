#pragma once

#include <memory>
#include <vector>

#include "belfry/engine.h"
#include "server/base/mutex.h"

namespace belfry::internal {

// The hooks of SecretsEngine::Every. Described by one thread; afterwards thread-safe.
class PeriodicHooks final {
 public:
  void Add(absl::Duration period, Hook hook);
  bool empty() const { return hooks_.empty(); }
  // Runs those that are due and not running, one after the other; the first failure, if any. One
  // that has never run is due.
  absl::Status RunDue(absl::Time now, HookContext& context);

 private:
  struct Periodic {
    absl::Duration period;
    Hook hook;
    Mutex mutex;
    absl::Time next ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
    bool running ABSL_GUARDED_BY(mutex) = false;

    bool Begin(absl::Time now);
    void End();
  };

  std::vector<std::unique_ptr<Periodic>> hooks_;
};

}  // namespace belfry::internal
