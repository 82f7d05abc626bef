#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"
#include "plugins/kv/kv.h"
#include "plugins/kv/merge_patch.h"

// What must hold whatever the order in which several writers' requests get their turn: each does
// its own random operations on a few shared keys, and what all of them saw is checked
// afterwards.

namespace belfry::kv {
namespace {

using belfry::testing::FailsWith;
using belfry::testing::SentEvent;
using belfry::testing::TestHost;

constexpr int kWriters = 4;
#ifdef __SANITIZE_THREAD__
constexpr int kOperations = 20;  // Of each writer; one takes a tenth of a second over the wire.
#else
constexpr int kOperations = 60;
#endif
constexpr const char* kKeys[] = {"a", "a/b", "c"};

// The seed of a run that failed brings the same operations again, if not the same interleaving.
std::uint64_t NewSeed() {
  const char* given = std::getenv("BELFRY_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

enum class Kind { kWrite, kPatch, kRead };

// An operation that tells a version, and what it was told.
struct Observation {
  Kind kind = Kind::kRead;
  std::string key;
  std::int64_t cas = -1;  // -1: without.
  Json::Object data;      // What was sent.
  Result result = absl::UnknownError("not asked yet");
  std::int64_t version = 0;  // 0: there is none, or the write was refused.
  // Of a clock that all writers share; what began after another's end came after it.
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

std::int64_t NumberIn(const Json::Object& object, std::string_view name) {
  const auto member = object.find(name);
  if (member == object.end()) return 0;
  return ConvertTo<std::int64_t>(member->second).value_or(0);
}

// One writer: a thread with its own random numbers.
class Writer {
 public:
  Writer(int number, std::uint64_t seed, TestHost& host, std::atomic<std::int64_t>& clock)
      : name_("w" + std::to_string(number)), random_(seed + number), host_(host), clock_(clock) {}

  void Run() {
    for (int i = 0; i < kOperations; ++i) Step();
  }
  const std::vector<Observation>& seen() const { return seen_; }

 private:
  std::int64_t UpTo(std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(0, most)(random_);
  }

  void Step() {
    Observation next{.key = kKeys[UpTo(std::size(kKeys) - 1)]};
    const std::int64_t choice = UpTo(9);
    if (choice < 6) return ChangeData(std::move(next), choice);
    if (choice < 8) return Observe(std::move(next));
    ChangeVersions(next.key);
  }

  // Often with the version that this writer saw last, which another may have followed meanwhile.
  void ChangeData(Observation next, std::int64_t choice) {
    next.kind = choice < 4 ? Kind::kWrite : Kind::kPatch;
    next.data = {{name_, static_cast<std::int64_t>(seen_.size())}};
    if (choice % 2 == 0) next.cas = LastSeen(next.key);
    Observe(std::move(next));
  }

  std::int64_t LastSeen(const std::string& key) const {
    const auto last = std::find_if(seen_.rbegin(), seen_.rend(),
                                   [&](const Observation& one) { return one.key == key; });
    return last == seen_.rend() ? 0 : last->version;
  }

  void ChangeVersions(const std::string& key) {
    const Json::Array versions = {LastSeen(key)};
    switch (UpTo(3)) {
      case 0:
        static_cast<void>(host_.Delete("data/" + key));
        break;
      case 1:
        static_cast<void>(host_.Write("delete/" + key, {{"versions", versions}}));
        break;
      case 2:
        static_cast<void>(host_.Write("destroy/" + key, {{"versions", versions}}));
        break;
      default:
        static_cast<void>(host_.Write("undelete/" + key, {{"versions", versions}}));
    }
  }

  void Observe(Observation next) {
    next.begin = clock_++;
    next.result = Ask(next);
    next.end = clock_++;
    if (next.result.ok() && next.result->kind() == Response::Kind::kData) {
      const Json::Object& data = next.result->data();
      const bool read = next.kind == Kind::kRead;
      const bool done = read || !next.result->http_status();
      if (done) next.version = NumberIn(read ? *data.at("metadata").if_object() : data, "version");
    }
    seen_.push_back(std::move(next));
  }

  Result Ask(const Observation& next) {
    const std::string path = "data/" + next.key;
    if (next.kind == Kind::kRead) return host_.Read(path);
    Json::Object fields{{"data", next.data}};
    if (next.cas >= 0) fields["options"] = Json::Object{{"cas", next.cas}};
    return next.kind == Kind::kWrite ? host_.Write(path, fields) : host_.Patch(path, fields);
  }

  const std::string name_;
  std::mt19937_64 random_;
  TestHost& host_;
  std::atomic<std::int64_t>& clock_;
  std::vector<Observation> seen_;
};

class InterleavingTest : public belfry::testing::OnBothHosts {
 protected:
  void SetUp() override {
    // None is ever cleaned up, so that all can be read in the end.
    ASSERT_TRUE(host_->Write("config", {{"max_versions", kWriters * kOperations}}).ok());
    std::vector<Writer> writers;
    for (int i = 0; i < kWriters; ++i) writers.emplace_back(i, seed_, *host_, clock_);
    std::vector<std::thread> threads;
    for (Writer& writer : writers) threads.emplace_back([&writer] { writer.Run(); });
    for (std::thread& thread : threads) thread.join();
    for (const Writer& writer : writers) {
      seen_.insert(seen_.end(), writer.seen().begin(), writer.seen().end());
    }
  }

  // Those of one key that made a version, by version.
  std::vector<Observation> VersionsOf(std::string_view key) const {
    std::vector<Observation> made;
    for (const Observation& one : seen_) {
      if (one.key == key && one.kind != Kind::kRead && one.version > 0) made.push_back(one);
    }
    std::ranges::sort(made, {}, &Observation::version);
    return made;
  }

  const std::uint64_t seed_ = NewSeed();
  const ::testing::ScopedTrace trace_{__FILE__, __LINE__,
                                      "BELFRY_TEST_SEED=" + std::to_string(seed_)};
  const std::unique_ptr<TestHost> host_ = NewHost(DefineKv, {{"version", "2"}});
  std::atomic<std::int64_t> clock_ = 0;
  std::vector<Observation> seen_;
};
BELFRY_RUN_ON_BOTH_HOSTS(InterleavingTest);

TEST_P(InterleavingTest, VersionsAreDenseAndThatOfALaterRequestIsNoSmaller) {
  for (const char* key : kKeys) {
    const std::vector<Observation> made = VersionsOf(key);
    ASSERT_FALSE(made.empty());
    for (std::size_t i = 0; i < made.size(); ++i) {
      ASSERT_EQ(made[i].version, static_cast<std::int64_t>(i) + 1) << key;
    }
    const Result metadata = host_->Read("metadata/" + std::string(key));
    ASSERT_TRUE(metadata.ok()) << metadata.status();
    EXPECT_EQ(NumberIn(metadata->data(), "current_version"), made.back().version) << key;
    for (const Observation& one : seen_) {
      if (one.key != key || (one.kind != Kind::kRead && one.version == 0)) continue;
      for (const Observation& write : made) {
        const std::int64_t least = one.kind == Kind::kRead ? write.version : write.version + 1;
        ASSERT_TRUE(write.end >= one.begin || one.version >= least) << key << " " << write.version;
        ASSERT_TRUE(one.end >= write.begin || one.version < write.version)
            << key << " " << write.version;
      }
    }
  }
}

TEST_P(InterleavingTest, CheckAndSetLetsExactlyThoseThroughWhoKnowTheCurrentVersion) {
  std::set<std::pair<std::string, std::int64_t>> let_through;
  int refused = 0;
  for (const Observation& one : seen_) {
    if (one.cas < 0) continue;
    if (one.version > 0) {
      ASSERT_EQ(one.version, one.cas + 1) << one.key;
      // Of all who knew it, only one.
      ASSERT_TRUE(let_through.emplace(one.key, one.cas).second) << one.key << ", cas " << one.cas;
    } else if (!one.result.ok()) {
      ASSERT_THAT(one.result,
                  FailsWith(absl::StatusCode::kInvalidArgument, "did not match the current"));
      const std::vector<Observation> made = VersionsOf(one.key);
      const std::size_t next = static_cast<std::size_t>(one.cas);
      // So another had made the next version before this one was through.
      ASSERT_LT(next, made.size()) << one.key << ", cas " << one.cas;
      ASSERT_LT(made[next].begin, one.end) << one.key << ", cas " << one.cas;
      ++refused;
    }
  }
  // Both happened, or nothing was tried.
  EXPECT_FALSE(let_through.empty());
  EXPECT_GT(refused, 0);
}

TEST_P(InterleavingTest, EachVersionHoldsWhatItsWriterSentAndAPatchWhatWasThereBefore) {
  for (const char* key : kKeys) {
    Json expected;
    for (const Observation& write : VersionsOf(key)) {
      if (write.kind == Kind::kPatch) {
        ApplyMergePatch(write.data, expected);
      } else {
        expected = write.data;
      }
      ASSERT_TRUE(
          host_->Write("undelete/" + write.key, {{"versions", Json::Array{write.version}}}).ok());
      const Result read = host_->Read("data/" + write.key, {{"version", write.version}});
      ASSERT_TRUE(read.ok()) << read.status();
      const bool destroyed =
          read->data().at("metadata").Find("destroyed")->Dump() == std::string("true");
      ASSERT_EQ(read->data().at("data").Dump(), destroyed ? "null" : expected.Dump())
          << key << ", version " << write.version;
    }
  }
}

TEST_P(InterleavingTest, EventsTellOfEachVersionOnceAndInOrder) {
  for (const char* key : kKeys) {
    std::int64_t current = 0;
    for (const SentEvent& event : host_->events()) {
      const std::string& path = event.metadata.at("path");
      if (path.substr(path.find('/') + 1) != key) continue;
      const bool makes_one = event.type == "kv-v2/data-write" || event.type == "kv-v2/data-patch";
      if (makes_one) ++current;
      ASSERT_EQ(event.metadata.at("current_version"), std::to_string(current))
          << event.type << " " << key;
    }
    EXPECT_EQ(current, static_cast<std::int64_t>(VersionsOf(key).size())) << key;
  }
}

}  // namespace
}  // namespace belfry::kv
