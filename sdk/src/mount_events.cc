#include "sdk/src/mount_events.h"

#include "absl/time/clock.h"

namespace belfry::internal {
namespace {

constexpr absl::Duration kLogInterval = absl::Minutes(1);
constexpr std::size_t kMaxLoggedTypes = 256;

}  // namespace

bool MountEvents::MayLog(std::string_view type, absl::Time now) {
  MutexLock lock(&mutex_);
  auto found = last_logged_.find(type);
  if (found == last_logged_.end()) {
    if (last_logged_.size() >= kMaxLoggedTypes) return false;
    last_logged_.emplace(type, now);
    return true;
  }
  if (now - found->second < kLogInterval) return false;
  found->second = now;
  return true;
}

void MountEvents::LogFailure(std::string_view type, const absl::Status& status) {
  if (!MayLog(type, absl::Now())) return;
  log_->Write(LogLevel::kWarn, "an event was not sent",
              {{"event_type", type}, {"error", status.ToString()}});
}

}  // namespace belfry::internal
