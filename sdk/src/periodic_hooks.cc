#include "sdk/src/periodic_hooks.h"

#include <utility>

namespace belfry::internal {

void PeriodicHooks::Add(absl::Duration period, Hook hook) {
  auto periodic = std::make_unique<Periodic>();
  periodic->period = period;
  periodic->hook = std::move(hook);
  hooks_.push_back(std::move(periodic));
}

bool PeriodicHooks::Periodic::Begin(absl::Time now) {
  MutexLock lock(&mutex);
  if (running || now < next) return false;
  running = true;
  next = now + period;
  return true;
}

void PeriodicHooks::Periodic::End() {
  MutexLock lock(&mutex);
  running = false;
}

absl::Status PeriodicHooks::RunDue(absl::Time now, HookContext& context) {
  absl::Status first;
  for (const auto& periodic : hooks_) {
    if (!periodic->Begin(now)) continue;
    const absl::Status status = periodic->hook(context);
    periodic->End();
    first.Update(status);
  }
  return first;
}

}  // namespace belfry::internal
