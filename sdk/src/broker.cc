#include "sdk/src/broker.h"

#include <utility>

namespace belfry::internal {
namespace {

constexpr std::size_t kMaxAnnouncements = 1024;

}  // namespace

void Broker::DropExpired() {
  const Clock::time_point now = options_.now();
  std::erase_if(announced_,
                [&](const auto& entry) { return now - entry.second.at >= options_.expiry; });
}

void Broker::Announce(std::uint32_t id, HostAddress address) {
  MutexLock lock(&mutex_);
  DropExpired();
  if (announced_.size() >= kMaxAnnouncements) return;
  announced_.try_emplace(id, Announcement{std::move(address), options_.now()});
  changed_.NotifyAll();
}

absl::StatusOr<HostAddress> Broker::Take(std::uint32_t id) {
  const Clock::time_point deadline = Clock::now() + options_.wait;
  MutexLock lock(&mutex_);
  for (bool in_time = true;;) {
    if (stopped_) return absl::CancelledError("the plugin is stopping");
    DropExpired();
    if (const auto found = announced_.find(id); found != announced_.end()) {
      HostAddress address = std::move(found->second.address);
      announced_.erase(found);
      return address;
    }
    if (!in_time) return absl::UnknownError("timeout waiting for connection info");
    in_time = changed_.WaitUntil(&mutex_, deadline);
  }
}

void Broker::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.NotifyAll();
}

}  // namespace belfry::internal
