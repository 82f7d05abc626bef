#include "server/bus/decision_cache.h"

namespace belfry::bus {

void DecisionCache::Begin(std::uint64_t version) {
  if (version == version_) return;
  version_ = version;
  slots_.clear();
}

std::optional<bool> DecisionCache::About(std::uint64_t subject) const {
  if (slots_.empty()) return std::nullopt;
  const std::uint64_t slot = slots_[subject & (slots_.size() - 1)];
  return slot >> 1 == subject ? std::optional((slot & 1) != 0) : std::nullopt;
}

void DecisionCache::Keep(std::uint64_t subject, bool allowed) {
  if (slots_.empty()) slots_.resize(kFewestSlots);
  while (SlotOf(subject) != 0 && slots_.size() < kMostSlots) Grow();
  SlotOf(subject) = subject << 1 | (allowed ? 1 : 0);
}

// Those that shared no slot before share none afterwards.
void DecisionCache::Grow() {
  std::vector<std::uint64_t> old(2 * slots_.size());
  old.swap(slots_);
  for (const std::uint64_t slot : old) {
    if (slot != 0) SlotOf(slot >> 1) = slot;
  }
}

}  // namespace belfry::bus
