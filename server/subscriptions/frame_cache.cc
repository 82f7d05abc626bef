#include "server/subscriptions/frame_cache.h"

#include <utility>

namespace belfry::subscriptions {

bus::Frame FrameCache::Get(std::uint64_t sequence, bus::Format format,
                           absl::FunctionRef<bus::Frame()> make) {
  Shard& shard = shards_[sequence % kShards];
  const auto index = static_cast<std::size_t>(format);
  const std::size_t place = sequence / kShards % (kEvents / kShards);
  {
    MutexLock lock(&shard.mutex);
    const Slot& slot = shard.slots[index][place];
    if (slot.sequence == sequence) return slot.frame;
  }
  bus::Frame made = make();
  if (made->bytes.size() > kLongestFrame) return made;
  bus::Frame old;  // Goes without the lock.
  MutexLock lock(&shard.mutex);
  Slot& slot = shard.slots[index][place];
  old = std::exchange(slot.frame, made);
  slot.sequence = sequence;
  return made;
}

}  // namespace belfry::subscriptions
