// The unsealed life: what Start needs, and what is left after the end. With the real kv plugin,
// which Core starts itself, over a storage that outlives it.
#include "server/core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "base/testing.h"
#include "server/mounts/lease_store.h"
#include "server/storage/committer.h"

namespace belfry {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr char kSecret[] = R"({"data":{"b":"c"}})";
constexpr char kLeaseId[] = "secret/room/1";

// In memory, in place of a disk. It can fail, and hold up who reads. Thread-safe.
class TestedStorage final : public storage::PhysicalStorage {
 public:
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    if (absl::Status status = Failure(fails_to_read_); !status.ok()) return status;
    WaitIfHeld();
    return memory_->Get(key);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    if (absl::Status status = Failure(fails_to_read_); !status.ok()) return status;
    return memory_->List(prefix);
  }
  absl::StatusOr<std::vector<storage::Entry>> Scan(std::string_view prefix, std::string_view after,
                                                   std::size_t limit) const override {
    if (absl::Status status = Failure(fails_to_read_); !status.ok()) return status;
    return memory_->Scan(prefix, after, limit);
  }
  absl::Status Write(std::span<storage::WriteBatch* const> batches) override {
    if (absl::Status status = Failure(fails_to_write_); !status.ok()) return status;
    return memory_->Write(batches);
  }
  std::unique_ptr<storage::Snapshot> TakeSnapshot() const override {
    return memory_->TakeSnapshot();
  }

  void FailToRead(bool fail) { fails_to_read_ = fail; }
  void FailToWrite(bool fail) { fails_to_write_ = fail; }
  // Whoever gets a value next waits for it until Release.
  void HoldNextGet() { Become(Hold::kNext); }
  void AwaitHeldGet() {
    MutexLock lock(&mutex_);
    while (hold_ != Hold::kNow) changed_.Wait(&mutex_);
  }
  void Release() { Become(Hold::kNone); }

  std::map<std::string, std::string> All() const {
    std::vector<storage::Entry> entries = memory_->Scan("", "", 1 << 20).value();
    std::map<std::string, std::string> all;
    for (storage::Entry& entry : entries) all.emplace(std::move(entry.key), std::move(entry.value));
    return all;
  }

 private:
  enum class Hold { kNone, kNext, kNow };

  static absl::Status Failure(bool fails) {
    return fails ? absl::UnavailableError("the disk is gone") : absl::OkStatus();
  }
  void Become(Hold hold) {
    MutexLock lock(&mutex_);
    hold_ = hold;
    changed_.NotifyAll();
  }
  void WaitIfHeld() const {
    MutexLock lock(&mutex_);
    if (hold_ != Hold::kNext) return;
    hold_ = Hold::kNow;
    changed_.NotifyAll();
    while (hold_ == Hold::kNow) changed_.Wait(&mutex_);
  }

  const std::unique_ptr<storage::PhysicalStorage> memory_ = storage::NewInMemoryPhysicalStorage();
  std::atomic<bool> fails_to_read_ = false;
  std::atomic<bool> fails_to_write_ = false;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  mutable Hold hold_ ABSL_GUARDED_BY(mutex_) = Hold::kNone;
};

// What comes of a request, perhaps later. Shared with who answers it.
class Answer {
 public:
  void Set(api::Outcome outcome) {
    MutexLock lock(&mutex_);
    response_ = std::get<api::HttpResponse>(std::move(outcome));
    came_.NotifyAll();
  }
  bool has_come() const {
    MutexLock lock(&mutex_);
    return response_.has_value();
  }
  api::HttpResponse Wait() {
    MutexLock lock(&mutex_);
    while (!response_) came_.Wait(&mutex_);
    return *response_;
  }

 private:
  mutable Mutex mutex_;
  CondVar came_;
  std::optional<api::HttpResponse> response_ ABSL_GUARDED_BY(mutex_);
};

class CoreTest : public ::testing::Test {
 protected:
  // Where cores make their folders of sockets.
  static void SetUpTestSuite() {
    temporary_ = std::filesystem::temp_directory_path() / "coreXXXXXX";
    ASSERT_NE(mkdtemp(temporary_.data()), nullptr);
    setenv("TMPDIR", temporary_.c_str(), 1);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(temporary_); }

  CoreTest() {
    EXPECT_EQ(StoreRootToken(&storage_, &clock_, "root"), absl::OkStatus());
    config_.mount_secret = true;
    config_.plugin_directories = {BELFRY_BIN "/plugins"};
    config_.guard_program = BELFRY_BIN "/belfry-plugin-guard";
    // Nothing is killed because the machine is busy.
    limits_.plugin_probe_timeout = absl::Minutes(1);
    limits_.plugin_stop_timeout = absl::Minutes(1);
    limits_.server_stop_timeout = absl::Minutes(5);
    limits_.max_request_duration = absl::Minutes(5);
  }
  void TearDown() override {
    core_.reset();
    ExpectThatNothingRuns();
  }

  absl::Status Start() {
    core_ = Core::Create(config_, {.storage = &storage_,
                                   .clock = &clock_,
                                   .scheduler = &scheduler_,
                                   .metrics = metrics_.get(),
                                   .limits = limits_,
                                   .logger = Logger(log_, "")});
    absl::Status started = core_->Start();
    if (!started.ok()) core_.reset();
    return started;
  }
  void Stop() {
    core_->BeginStop();
    core_->Stop();
  }
  // No process of it, and no folder.
  static void ExpectThatNothingRuns() {
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    EXPECT_TRUE(std::filesystem::is_empty(temporary_));
  }

  std::shared_ptr<Answer> Ask(std::string method, const std::string& path, std::string body = "",
                              std::string token = "root") {
    const auto answer = std::make_shared<Answer>();
    api::HttpRequest request{.method = std::move(method),
                             .target = "/v1/" + path,
                             .path = "/v1/" + path,
                             .headers = {{"X-Vault-Token", std::move(token)}},
                             .body = std::move(body)};
    core_->Api()->Handle(std::move(request),
                         [answer](api::Outcome outcome) { answer->Set(std::move(outcome)); });
    return answer;
  }
  api::HttpResponse Send(std::string method, const std::string& path, std::string body = "",
                         std::string token = "root") {
    return Ask(std::move(method), path, std::move(body), std::move(token))->Wait();
  }
  // Something of everything that a core keeps: a secret, a token with a policy and a drawer of its
  // own, and a lease, which no plugin here gives out.
  void Fill() {
    mounts::LeaseRecord lease;
    lease.mount = "secret/";
    lease.path = "room";
    lease.lease.id = kLeaseId;
    lease.lease.issued = clock_.Now();
    lease.lease.ttl = absl::Hours(24);
    lease.expires = clock_.Now() + absl::Hours(24);
    const std::unique_ptr<storage::Storage> committer = storage::NewCommitter(&storage_, nullptr);
    ASSERT_EQ(mounts::LeaseStore(committer.get(), &clock_).Put(lease), absl::OkStatus());
    ASSERT_EQ(Start(), absl::OkStatus());
    ASSERT_EQ(Send("PUT", "secret/data/a", kSecret).status, 200);
    ASSERT_EQ(Send("PUT", "sys/policies/acl/app", R"({"policy":"path \"x\" {}"})").status, 204);
    ASSERT_EQ(Send("PUT", "auth/token/create", R"({"id":"ann","policies":["app"]})").status, 200);
    ASSERT_EQ(Send("PUT", "cubbyhole/mine", R"({"d":"e"})", "ann").status, 204);
  }

  static inline std::string temporary_;
  FakeClock clock_{absl::FromUnixSeconds(1795413511)};
  FakeScheduler scheduler_{&clock_};
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  TestedStorage storage_;
  Limits limits_;
  CoreConfig config_;
  std::unique_ptr<Core> core_;
};

TEST_F(CoreTest, ItServesTheRootTokenAndSecret) {
  ASSERT_EQ(Start(), absl::OkStatus());
  EXPECT_EQ(Send("PUT", "secret/data/a", kSecret).status, 200);
  EXPECT_THAT(Send("GET", "secret/data/a").body, HasSubstr(R"("data":{"b":"c"})"));
  EXPECT_EQ(Send("GET", "secret/data/a", "", "other").status, 403);
}

TEST_F(CoreTest, AfterItsStopNoPluginRunsAndTheApiStillAnswers) {
  ASSERT_EQ(Start(), absl::OkStatus());
  EXPECT_THAT(Send("GET", "sys/plugins/processes").body, HasSubstr(R"("mounts":["secret/"])"));
  Stop();
  EXPECT_THAT(Send("GET", "sys/plugins/processes").body, Not(HasSubstr("secret/")));
  EXPECT_EQ(Send("GET", "secret/data/a").status, 404);
  EXPECT_EQ(Send("GET", "sys/mounts").status, 200);
  // Nothing starts any more, either.
  EXPECT_NE(Send("PUT", "sys/mounts/more", R"({"type":"kv"})").status, 204);
}

TEST_F(CoreTest, DestroyingItStopsItFirst) {
  ASSERT_EQ(Start(), absl::OkStatus());
  core_.reset();
  ExpectThatNothingRuns();
}

TEST_F(CoreTest, ARequestThatIsWithAPluginIsAnsweredBeforeStopReturns) {
  ASSERT_EQ(Start(), absl::OkStatus());
  ASSERT_EQ(Send("PUT", "secret/data/a", kSecret).status, 200);
  storage_.HoldNextGet();
  const std::shared_ptr<Answer> answer = Ask("GET", "secret/data/a");
  storage_.AwaitHeldGet();
  std::future<bool> answered_first = std::async(std::launch::async, [this, answer] {
    Stop();
    return answer->has_come();
  });
  EXPECT_FALSE(answer->has_come());
  storage_.Release();
  EXPECT_TRUE(answered_first.get());
  EXPECT_EQ(answer->Wait().status, 200);
}

TEST_F(CoreTest, AfterBeginStopNoPluginHoldsUpARequestForLongerThanItMay) {
  limits_.server_stop_timeout = limits_.plugin_stop_timeout + absl::Milliseconds(10);
  ASSERT_EQ(Start(), absl::OkStatus());
  ASSERT_EQ(Send("PUT", "secret/data/a", kSecret).status, 200);
  storage_.HoldNextGet();
  const std::shared_ptr<Answer> answer = Ask("GET", "secret/data/a");
  storage_.AwaitHeldGet();
  core_->BeginStop();
  const api::HttpResponse response = answer->Wait();
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("the server is stopping; the request may or may not have "
                                       "been carried out"));
  storage_.Release();
  core_->Stop();
}

TEST_F(CoreTest, ItsEndDeletesNothing) {
  Fill();
  const std::map<std::string, std::string> before = storage_.All();
  for (const char* kept :
       {"logical/", "sys/policy/", "sys/token/id/", "sys/cubbyhole/", "sys/expire/id/1"}) {
    EXPECT_THAT(before, Contains(Key(StartsWith(kept))));
  }
  Stop();
  EXPECT_EQ(storage_.All(), before);
  core_.reset();
  EXPECT_EQ(storage_.All(), before);
}

TEST_F(CoreTest, AnotherCoreOverTheSameStorageGoesOnWithAllOfIt) {
  Fill();
  const std::map<std::string, std::string> before = storage_.All();
  core_.reset();
  ASSERT_EQ(Start(), absl::OkStatus());
  EXPECT_THAT(Send("GET", "auth/token/lookup-self", "", "ann").body,
              HasSubstr(R"("policies":["app","default"])"));
  EXPECT_THAT(Send("GET", "cubbyhole/mine", "", "ann").body, HasSubstr(R"("d":"e")"));
  EXPECT_THAT(Send("GET", "sys/policies/acl/app").body, HasSubstr("path"));
  EXPECT_THAT(Send("PUT", "sys/leases/lookup", R"({"lease_id":"secret/room/1"})").body,
              HasSubstr(R"("ttl":86400)"));
  EXPECT_THAT(Send("GET", "secret/data/a").body, HasSubstr(R"("data":{"b":"c"})"));
  EXPECT_EQ(storage_.All(), before);
}

TEST_F(CoreTest, ANewRootTokenMayDoEverythingAlsoAfterARestart) {
  ASSERT_EQ(Start(), absl::OkStatus());
  const std::string token = core_->NewRootToken().value();
  EXPECT_EQ(token.size(), 28u);
  core_.reset();
  ASSERT_EQ(Start(), absl::OkStatus());
  EXPECT_EQ(Send("GET", "sys/mounts", "", token).status, 200);
  EXPECT_THAT(Send("GET", "auth/token/lookup-self", "", token).body,
              HasSubstr(R"("display_name":"root")"));
}

TEST_F(CoreTest, ItsNamesAreThoseOfTheStorage) {
  ASSERT_EQ(Start(), absl::OkStatus());
  const process::ServerNames names = core_->Names();
  EXPECT_THAT(names.cluster_name, StartsWith("belfry-cluster-"));
  core_.reset();
  ASSERT_EQ(Start(), absl::OkStatus());
  EXPECT_EQ(core_->Names().cluster_name, names.cluster_name);
  EXPECT_EQ(core_->Names().cluster_id, names.cluster_id);
}

TEST_F(CoreTest, WithoutTheKvPluginItDoesNotStartAndNothingIsLeftRunning) {
  config_.plugin_directories.clear();
  EXPECT_EQ(Start(),
            absl::NotFoundError("cannot mount secret/: plugin not found in the catalog: kv"));
  ExpectThatNothingRuns();
}

TEST_F(CoreTest, WithoutTheGuardItDoesNotStart) {
  config_.guard_program = "/nowhere/guard";
  EXPECT_THAT(std::string(Start().message()), HasSubstr("/nowhere/guard"));
  ExpectThatNothingRuns();
}

TEST_F(CoreTest, OverAStorageThatFailsItDoesNotStart) {
  const absl::Status failure = absl::UnavailableError("the disk is gone");
  const std::map<std::string, std::string> before = storage_.All();
  storage_.FailToRead(true);
  EXPECT_EQ(Start(), failure);
  ExpectThatNothingRuns();
  storage_.FailToRead(false);
  storage_.FailToWrite(true);
  EXPECT_EQ(Start(), failure);
  ExpectThatNothingRuns();
  EXPECT_EQ(storage_.All(), before);
  storage_.FailToWrite(false);
  EXPECT_EQ(Start(), absl::OkStatus());
}

TEST_F(CoreTest, ATokenThatCannotBeReadIsNotPassedOver) {
  storage::WriteBatch batch;
  batch.Put("sys/token/id/x", "rubbish");
  storage::WriteBatch* const batches[] = {&batch};
  ASSERT_EQ(storage_.Write(batches), absl::OkStatus());
  EXPECT_EQ(Start(), absl::DataLossError("a stored token cannot be read"));
  ExpectThatNothingRuns();
}

}  // namespace
}  // namespace belfry
