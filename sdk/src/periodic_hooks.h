#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "belfry/engine.h"

namespace belfry::internal {

// The hooks of Engine::Every. Described by one thread; afterwards thread-safe.
//
// When a hook with a period of more than a minute has run is kept in the mount's storage, so that a
// start of the plugin neither repeats nor loses it: one JSON object under ".belfry/every", whose
// members are "<period>#<how many hooks of this period come before>" and the time in RFC 3339. A
// hook with a shorter period is due at every tick of a host in any case.
class PeriodicHooks final {
 public:
  void Add(absl::Duration period, Hook hook);
  bool empty() const { return hooks_.empty(); }
  // Runs those that are due and not running, one after the other; the first failure, if any. One
  // that has never succeeded is due.
  absl::Status RunDue(absl::Time now, HookContext& context);

 private:
  struct Periodic {
    std::string name;
    absl::Duration period;
    Hook hook;
    Mutex mutex;
    absl::Time last ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
    bool running ABSL_GUARDED_BY(mutex) = false;

    bool Begin(absl::Time now);
    void End();
    void Ran(absl::Time when);
    bool IsKept() const;
  };

  absl::Status RunOne(Periodic& periodic, absl::Time now, HookContext& context);
  // What is stored, once.
  absl::Status Load(absl::Time now, Storage& storage);
  absl::Status Keep(const Periodic& periodic, absl::Time when, Storage& storage);

  std::vector<std::unique_ptr<Periodic>> hooks_;
  // Held while the record is read or written: the writes of two hooks must not overtake each other.
  Mutex record_mutex_;
  bool loaded_ ABSL_GUARDED_BY(record_mutex_) = false;
  std::map<std::string, absl::Time> record_ ABSL_GUARDED_BY(record_mutex_);
};

}  // namespace belfry::internal
