#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace belfry::bus {

// What an authorizer said of the subjects that it was asked about last, at one version of its
// rules. Takes up bounded memory, and none before the first decision. Not thread-safe.
class DecisionCache {
 public:
  // Forgets what was decided at another version.
  void Begin(std::uint64_t version);
  // nullopt: not known.
  std::optional<bool> About(std::uint64_t subject) const;
  void Keep(std::uint64_t subject, bool allowed);
  std::size_t bytes() const { return slots_.capacity() * sizeof(slots_[0]); }

  static constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;

 private:
  // 1 KiB for a subscriber that gets events, 64 KiB for one that gets them on thousands of paths;
  // both powers of two.
  static constexpr std::size_t kFewestSlots = 128;
  static constexpr std::size_t kMostSlots = kMaxBytes / sizeof(std::uint64_t);

  std::uint64_t& SlotOf(std::uint64_t subject) { return slots_[subject & (slots_.size() - 1)]; }
  void Grow();

  std::uint64_t version_ = 0;
  std::vector<std::uint64_t> slots_;  // Subjects are numbered from 1, so that 0 is none of them.
};

}  // namespace belfry::bus
