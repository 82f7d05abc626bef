#include "sdk/src/mount_events.h"

#include <chrono>
#include <utility>

namespace belfry::internal {
namespace {

constexpr std::chrono::minutes kLogInterval(1);
constexpr std::size_t kMaxLoggedTypes = 256;

}  // namespace

MountEvents::MountEvents(EventStream* stream, const Log* log)
    : stream_(stream), log_(log), other_types_(1, kLogInterval) {}

LogThrottle& MountEvents::ThrottleOf(std::string_view type) {
  MutexLock lock(&mutex_);
  if (const auto found = by_type_.find(type); found != by_type_.end()) return found->second;
  if (by_type_.size() >= kMaxLoggedTypes) return other_types_;
  return by_type_.try_emplace(std::string(type), 1, kLogInterval).first->second;
}

void MountEvents::LogFailure(std::string_view type, const absl::Status& status) {
  const std::optional<std::uint64_t> left_out = ThrottleOf(type).Take();
  if (!left_out) return;
  log_->Write(LogLevel::kWarn, "an event was not sent",
              {{"event_type", type},
               {"error", status.ToString()},
               {"suppressed", std::to_string(*left_out)}});
}

}  // namespace belfry::internal
