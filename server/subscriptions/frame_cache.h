#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "base/mutex.h"
#include "server/bus/bus.h"

namespace belfry::subscriptions {

// The frames of the last events that followers were sent, so that an event is encoded once for all
// who follow closely. Bounded in events and, since it leaves long frames alone, in bytes: 16 MiB.
// Thread-safe.
class FrameCache {
 public:
  // Further apart than this, an event takes the place of another.
  static constexpr std::uint64_t kEvents = 4096;
  // A longer frame is made each time.
  static constexpr std::size_t kLongestFrame = 2048;

  // What is kept of the event, or what `make` returns, which then is; at the same time two threads
  // may make one each.
  bus::Frame Get(std::uint64_t sequence, bus::Format format, absl::FunctionRef<bus::Frame()> make);

 private:
  struct Slot {
    std::uint64_t sequence = 0;
    bus::Frame frame;
  };
  static constexpr std::size_t kShards = 64;
  struct Shard {
    Mutex mutex;
    std::array<std::array<Slot, kEvents / kShards>, encode::kFormats> slots ABSL_GUARDED_BY(mutex);
  };

  std::vector<Shard> shards_{kShards};
};

}  // namespace belfry::subscriptions
