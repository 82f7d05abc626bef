#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace belfry::simulation {

// All that a run leaves to chance comes from here, so that a seed is a run. The same on every
// machine, unlike the distributions of <random>. (Steele, Lea, Flood: SplitMix64)
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}

  std::uint64_t Next() {
    std::uint64_t bits = state_ += 0x9e3779b97f4a7c15;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
  }
  // 0 to `bound` - 1.
  std::uint64_t Below(std::uint64_t bound) { return Next() % bound; }
  std::uint64_t Between(std::uint64_t least, std::uint64_t most) {
    return least + Below(most - least + 1);
  }
  bool OneIn(std::uint64_t times) { return Below(times) == 0; }
  // So many times of a thousand.
  bool PerMille(std::uint64_t times) { return Below(1000) < times; }
  template <typename T>
  T OneOf(std::initializer_list<T> values) {
    return values.begin()[Below(values.size())];
  }
  template <typename Range>
  auto& PickFrom(Range& range) {
    return range[static_cast<std::size_t>(Below(range.size()))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace belfry::simulation
