#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace belfry::internal {

// Where the host listens for one mount's calls back to it.
struct HostAddress {
  std::string network;  // "unix" or "tcp"
  std::string address;
};

// The addresses that the host has announced and no Setup has used yet. (plugin-protocol 3.1)
//
// Threads: safe. An announcement and the Setup that needs it may come in either order. At most
// 1,024 announcements are kept, one for each id; what is over is dropped, as hosts expect.
class Broker final {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    Clock::duration wait = std::chrono::seconds(5);
    Clock::duration expiry = std::chrono::seconds(5);
    std::function<Clock::time_point()> now = [] { return Clock::now(); };
  };

  explicit Broker(Options options) : options_(std::move(options)) {}

  void Announce(std::uint32_t id, HostAddress address);
  // Takes the address of `id`, waiting for it up to the option's time. Unknown, with the text that
  // hosts know, when it does not come; Cancelled after Stop.
  absl::StatusOr<HostAddress> Take(std::uint32_t id);
  // Ends every wait.
  void Stop();

 private:
  struct Announcement {
    HostAddress address;
    Clock::time_point at;
  };

  void DropExpired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  Mutex mutex_;
  CondVar changed_;
  std::map<std::uint32_t, Announcement> announced_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::internal
