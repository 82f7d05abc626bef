#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace belfry::bench {

// What servers are given to do.

// One burst must fit a subscriber's queue (8192 frames, 8 MiB): a subscriber that overflows is
// closed, and nothing would be measured.
constexpr std::int64_t kBurst = 4096;
constexpr std::int64_t kSenders = 64;
// Events of one SendAll.
constexpr std::int64_t kAtOnce = 1 << 15;

// A policy of a hundred lines, a path each: some exact, some with a wildcard or two, as those of a
// team's service are. It allows every event of the emitter.
std::string HundredLines(int subscriber);

// Requests for one of the secrets of a kv mount, drawn at random.
class KvRequests {
 public:
  static constexpr std::int64_t kKeys = 1000;

  // `path` is that of a secret without its number, `value` the body of a write.
  KvRequests(std::string path, std::string value);

  std::string Put();
  std::string Get();
  std::string PutTo(std::int64_t key) const;

 private:
  std::string PathOf(std::int64_t key) const;
  std::int64_t AnyKey();

  const std::string path_;
  const std::string value_;
  std::mt19937_64 random_{1};
};

}  // namespace belfry::bench
