#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace belfry::bench {

// Workloads that several benchmarks share.

class Belfry;

// One burst must fit a subscriber's queue (8192 frames, 8 MiB): a subscriber that overflows is
// closed, and nothing would be measured.
constexpr std::int64_t kBurst = 4096;
constexpr std::int64_t kSenders = 64;
// Events of one SendAll.
constexpr std::int64_t kAtOnce = 1 << 15;

// A policy of a hundred lines, a path each: some exact, some with a wildcard or two, as those of a
// team's service are. It allows every event of the emitter.
std::string HundredLines(int subscriber);

// A version of kv, and what is written with it.
struct KvVersion {
  const char* name;
  const char* number;
  const char* folder;  // Of secrets, on the mount that MountKv makes.
  const char* value;   // The body of a write.
};
constexpr KvVersion kKvVersions[] = {
    {"v1", "1", "kv1/bench/", R"({"password":"correct-horse"})"},
    {"v2", "2", "kv2/data/bench/", R"({"data":{"password":"correct-horse"}})"}};

// Requests for one of the secrets of a kv mount, drawn at random.
class KvRequests {
 public:
  static constexpr std::int64_t kKeys = 1000;

  explicit KvRequests(const KvVersion& version) : version_(version) {}

  std::string Put();
  std::string Get();
  std::string PutTo(std::int64_t key) const;

 private:
  std::string PathOf(std::int64_t key) const;
  std::int64_t AnyKey();

  const KvVersion version_;
  std::mt19937_64 random_{1};
};

// Mounts it at kv1/ or kv2/.
void MountKv(Belfry& belfry, const KvVersion& version);
// Writes each secret as often as kv 2 keeps versions of it: from then on each write costs the same.
void FillKv(Belfry& belfry, const KvRequests& requests);

}  // namespace belfry::bench
