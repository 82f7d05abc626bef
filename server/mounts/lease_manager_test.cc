#include "server/mounts/lease_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <thread>
#include <utility>

#include "base/testing.h"
#include "server/mounts/lease_terms.h"
#include "server/mounts/mount_manager.h"
#include "server/mounts/salted_token.h"
#include "server/mounts/testing.h"
#include "server/storage/testing.h"

namespace belfry::mounts {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

Reply Refusal(std::string message) {
  return {.error = EngineError{.http_status = 400, .message = std::move(message)}};
}

// Answers at once, or when a test lets it.
class FakeEngine final : public StubEngine {
 public:
  // `log` outlives it and gets what it was asked for, and its end.
  explicit FakeEngine(std::vector<std::string>* log) : log_(log) {}
  ~FakeEngine() override { log_->emplace_back("gone"); }
  std::vector<Request> asked;
  absl::StatusOr<Reply> reply = Reply{};
  bool hold = false;
  std::vector<absl::AnyInvocable<void(absl::StatusOr<Reply>)>> held;

  void Handle(Request request, absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) override {
    log_->push_back(std::string(OperationName(request.operation)) + " " + request.path);
    asked.push_back(std::move(request));
    if (hold) {
      held.push_back(std::move(done));
    } else {
      done(reply);
    }
  }
  void LetGo() {
    for (auto& done : std::exchange(held, {})) done(reply);
  }

 private:
  std::vector<std::string>* const log_;
};

class FakeFactory final : public EngineFactory {
 public:
  absl::StatusOr<std::unique_ptr<Engine>> Create(const MountEntry&, storage::Storage*) override {
    auto made = std::make_unique<FakeEngine>(&log);
    engine = made.get();
    return made;
  }
  void RetireProcesses(std::string_view) override {}
  FakeEngine* engine = nullptr;  // The last one.
  std::vector<std::string> log;
};

// In memory, with a chance to act just before something is stored.
class HookedStorage final : public storage::MemoryStorage {
 public:
  std::function<void(std::string_view key)> before_put;  // Runs for one Put.

  void Commit(storage::WriteBatch batch, Done done) override {
    const storage::Operation& first = batch.operations.at(0);
    if (first.value) {
      if (const auto hook = std::exchange(before_put, nullptr)) hook(first.key);
    }
    MemoryStorage::Commit(std::move(batch), std::move(done));
  }
};

class InlineExecutor final : public Executor {
 public:
  bool Post(absl::AnyInvocable<void()>&& work) override {
    work();
    return true;
  }
  void PostAlways(absl::AnyInvocable<void()> work) override { work(); }
};

class LeaseManagerTest : public ::testing::Test {
 protected:
  LeaseManagerTest() {
    Restart();
    mounts_ = MountManager::Create({.router = &router_,
                                    .leases = leases_.get(),
                                    .storage = storage_.get(),
                                    .factory = &factory_});
    EXPECT_TRUE(mounts_->Start().ok());
    MountEntry entry;
    entry.path = "db/";
    entry.type = "lender";
    entry.default_lease_ttl = absl::Minutes(10);
    entry.max_lease_ttl = absl::Hours(2);
    EXPECT_TRUE(mounts_->Enable(std::move(entry)).ok());
  }
  ~LeaseManagerTest() override { leases_->Stop(); }

  // A manager that knows only what is stored. Mounts still know the one before.
  void Restart() {
    before_.push_back(std::move(leases_));
    leases_ = LeaseManager::Create({.router = &router_,
                                    .storage = storage_.get(),
                                    .clock = &clock_,
                                    .scheduler = &scheduler_,
                                    .executor = &executor_,
                                    .metrics = metrics_.get(),
                                    .limits = limits_,
                                    .logger = Logger()});
    EXPECT_TRUE(leases_->Start().ok());
  }

  absl::StatusOr<Lease> Register(Lease lease, std::string path = "creds/a",
                                 std::string token_accessor = "") {
    Request request;
    request.client_token_accessor = std::move(token_accessor);
    request.path = std::move(path);
    Response response;
    response.data = R"({"user":"u","n":1.00})";
    response.lease = std::move(lease);
    absl::StatusOr<Lease> result = absl::InternalError("no answer");
    leases_->Register(router_.Find("db/")->mount, request, response,
                      [&result](absl::StatusOr<Lease> granted) { result = std::move(granted); });
    return result;
  }
  std::string IdOf(absl::Duration ttl, std::string path = "creds/a") {
    return Register({.ttl = ttl, .renewable = true, .internal_data = R"({"k":1})"}, std::move(path))
        ->id;
  }
  absl::StatusOr<Response> Renew(const std::string& id, absl::Duration increment = {}) {
    absl::StatusOr<Response> result = absl::InternalError("no answer");
    leases_->Renew(id, increment,
                   [&result](absl::StatusOr<Response> renewed) { result = std::move(renewed); });
    return result;
  }
  absl::Status Revoke(std::string id, RevokeMode mode = RevokeMode::kWait, bool prefix = false) {
    absl::Status result = absl::InternalError("no answer");
    leases_->Revoke({.id_or_prefix = std::move(id), .prefix = prefix}, mode,
                    [&result](const absl::Status& status) { result = status; });
    scheduler_.Advance();
    return result;
  }
  absl::Status Disable() {
    auto disabled = std::async(std::launch::async,
                               [this] { return mounts_->Disable(MountClass::kSecret, "db"); });
    while (disabled.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      scheduler_.Advance();
      std::this_thread::yield();
    }
    return disabled.get();
  }
  // On a thread of its own, which may have to wait for this one's end of what it is at.
  void RevokeMeanwhile(const std::string& id) {
    auto revoked = std::make_shared<std::promise<void>>();
    std::future<void> done = revoked->get_future();
    meanwhile_ = std::thread([this, id, revoked] {
      leases_->Revoke({.id_or_prefix = id}, RevokeMode::kWait, [](const absl::Status&) {});
      scheduler_.Advance();
      revoked->set_value();
    });
    (void)done.wait_for(std::chrono::milliseconds(100));
  }
  std::int64_t Leases(const char* state) {
    return metrics_->GetGauge("belfry_leases", "", {{"state", state}}).Value();
  }
  FakeEngine& engine() { return *factory_.engine; }

  std::thread meanwhile_;
  Limits limits_;
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  FakeScheduler scheduler_{&clock_};
  InlineExecutor executor_;
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::unique_ptr<HookedStorage> storage_ = std::make_unique<HookedStorage>();
  FakeFactory factory_;
  MountRouter router_;
  std::vector<std::unique_ptr<LeaseManager>> before_;
  std::unique_ptr<LeaseManager> leases_;
  std::unique_ptr<MountManager> mounts_;
};

TEST_F(LeaseManagerTest, ALeaseIsNamedAfterItsPathAndKnowsItsTimes) {
  const absl::StatusOr<Lease> lease = Register({.ttl = absl::Hours(1), .renewable = true});
  EXPECT_THAT(lease->id, MatchesRegex("db/creds/a/[0-9A-Za-z]{24}"));
  EXPECT_EQ(lease->ttl, absl::Hours(1));
  const std::optional<LeaseInfo> info = leases_->LookUp(lease->id);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->issued, clock_.Now());
  EXPECT_EQ(info->expires, clock_.Now() + absl::Hours(1));
  EXPECT_FALSE(info->last_renewal.has_value());
  EXPECT_TRUE(info->renewable);
  EXPECT_EQ(Leases("active"), 1);
  EXPECT_FALSE(leases_->LookUp("db/creds/a/none").has_value());
}

TEST_F(LeaseManagerTest, ATokensLeasesAreRevokedTogetherEvenAfterARestart) {
  const std::string first = Register({.ttl = absl::Hours(1)}, "creds/a", "mine")->id;
  const std::string second = Register({.ttl = absl::Hours(1)}, "creds/b", "mine")->id;
  const std::string other = Register({.ttl = absl::Hours(1)}, "creds/c", "other")->id;
  const std::string without_token = IdOf(absl::Hours(1), "creds/d");
  Restart();
  absl::Status result = absl::InternalError("no answer");
  const auto note = [&result](const absl::Status& status) { result = status; };
  leases_->Revoke({.token_accessor = "mine"}, RevokeMode::kQueue, note);
  EXPECT_EQ(result, absl::OkStatus());
  scheduler_.Advance();
  EXPECT_FALSE(leases_->LookUp(first).has_value());
  EXPECT_FALSE(leases_->LookUp(second).has_value());
  EXPECT_TRUE(leases_->LookUp(other).has_value());
  EXPECT_TRUE(leases_->LookUp(without_token).has_value());
  EXPECT_THAT(engine().asked, SizeIs(2));
  leases_->Revoke({.token_accessor = "mine"}, RevokeMode::kQueue, note);
  EXPECT_EQ(result, absl::OkStatus());
}

TEST_F(LeaseManagerTest, LeasesOfTokensThatHaveEndedAreRevokedAtTheStart) {
  const Lease lease{.ttl = absl::Hours(1)};
  const std::string known = Register(lease, "creds/known", "known")->id;
  const std::string without_token = Register(lease, "creds/none")->id;
  const std::string stray = Register(lease, "creds/stray", "gone")->id;
  Restart();
  leases_->RevokeStrays([](std::string_view accessor) { return accessor == "known"; });
  scheduler_.Advance();
  EXPECT_FALSE(leases_->LookUp(stray).has_value());
  EXPECT_TRUE(leases_->LookUp(known).has_value());
  EXPECT_TRUE(leases_->LookUp(without_token).has_value());
  ASSERT_FALSE(engine().asked.empty());
  EXPECT_EQ(engine().asked.back().operation, Operation::kRevoke);
}

TEST_F(LeaseManagerTest, TheMountSaysHowLongALeaseLastsThatDoesNotAndHowLongAnyMay) {
  EXPECT_EQ(Register({})->ttl, absl::Minutes(10));
  EXPECT_EQ(Register({.ttl = absl::Hours(9)})->ttl, absl::Hours(2));
  EXPECT_EQ(Register({.ttl = absl::Hours(1), .max_ttl = absl::Minutes(5)})->ttl, absl::Minutes(5));
}

TEST_F(LeaseManagerTest, AnExpiredLeaseIsRevokedWithAllThatTheEngineGave) {
  const std::string id = IdOf(absl::Minutes(1));
  scheduler_.Advance(absl::Seconds(59));
  EXPECT_THAT(engine().asked, IsEmpty());
  scheduler_.Advance(absl::Seconds(1));
  ASSERT_THAT(engine().asked, SizeIs(1));
  const Request& request = engine().asked[0];
  EXPECT_EQ(request.operation, Operation::kRevoke);
  EXPECT_EQ(request.id, "");
  EXPECT_EQ(request.path, "creds/a");
  EXPECT_EQ(request.mount_point, "db/");
  EXPECT_EQ(request.data, R"({"user":"u","n":1.00})");
  EXPECT_EQ(request.client_token, SaltedToken(router_.Find("db/")->mount->entry.uuid, ""));
  EXPECT_EQ(request.lease->id, id);
  EXPECT_EQ(request.lease->internal_data, R"({"k":1})");
  EXPECT_EQ(request.lease->issued, clock_.Now() - absl::Minutes(1));
  EXPECT_FALSE(leases_->LookUp(id).has_value());
  EXPECT_THAT(*storage_->List("sys/expire/"), IsEmpty());
  EXPECT_EQ(Leases("active"), 0);
}

TEST_F(LeaseManagerTest, ARenewalAsksTheEngineAndIsCappedByTheTimeOfIssue) {
  const std::string id = IdOf(absl::Hours(1));
  const absl::Time issued = clock_.Now();
  engine().reply = Reply{.response = Response{.lease = Lease{.renewable = true}}};
  scheduler_.Advance(absl::Minutes(30));
  absl::StatusOr<Response> renewed = Renew(id, absl::Hours(1));
  EXPECT_EQ(renewed->lease->id, id);
  EXPECT_EQ(renewed->lease->ttl, absl::Hours(1));
  const Request& request = engine().asked.at(0);
  EXPECT_EQ(request.operation, Operation::kRenew);
  EXPECT_EQ(request.lease->id, "");
  EXPECT_EQ(request.lease->increment, absl::Hours(1));
  EXPECT_EQ(request.lease->issued, issued);
  EXPECT_EQ(request.lease->internal_data, R"({"k":1})");
  EXPECT_EQ(request.data, R"({"user":"u","n":1.00})");
  EXPECT_EQ(leases_->LookUp(id)->last_renewal, clock_.Now());
  scheduler_.Advance(absl::Minutes(40));
  EXPECT_EQ(Renew(id, absl::Hours(1))->lease->ttl, absl::Minutes(50));
  scheduler_.Advance(absl::Minutes(49));
  EXPECT_TRUE(leases_->LookUp(id).has_value());
  scheduler_.Advance(absl::Minutes(1));
  EXPECT_FALSE(leases_->LookUp(id).has_value());
}

TEST_F(LeaseManagerTest, WhatCannotBeRenewedSaysWhy) {
  EXPECT_EQ(Renew("db/creds/a/none").status(), absl::NotFoundError("lease not found"));
  const std::string fixed = Register({.ttl = absl::Hours(1)})->id;
  EXPECT_EQ(Renew(fixed).status(), absl::FailedPreconditionError("lease is not renewable"));
  const std::string id = IdOf(absl::Hours(1));
  engine().reply = Refusal("no such user");
  EXPECT_EQ(Renew(id).status(), absl::InvalidArgumentError("no such user"));
  engine().reply = Reply{.response = Response{.data = R"({"error":"no such role"})"}};
  EXPECT_EQ(Renew(id).status(), absl::InvalidArgumentError("no such role"));
  EXPECT_EQ(leases_->LookUp(id)->expires, clock_.Now() + absl::Hours(1));
  engine().hold = true;
  leases_->Renew(id, {}, [](const absl::StatusOr<Response>&) {});
  EXPECT_EQ(Renew(id).status().code(), absl::StatusCode::kAborted);
  engine().LetGo();
}

TEST_F(LeaseManagerTest, ALeaseThatIsRevokedDuringItsRenewalIsRevokedAfterIt) {
  const std::string id = IdOf(absl::Hours(1));
  engine().hold = true;
  absl::StatusOr<Response> renewed = absl::InternalError("no answer");
  leases_->Renew(id, {},
                 [&renewed](absl::StatusOr<Response> result) { renewed = std::move(result); });
  absl::Status revoked = absl::InternalError("no answer");
  leases_->Revoke({.id_or_prefix = id}, RevokeMode::kWait,
                  [&revoked](const absl::Status& status) { revoked = status; });
  scheduler_.Advance();
  EXPECT_THAT(engine().asked, SizeIs(1));
  engine().hold = false;
  engine().LetGo();
  scheduler_.Advance();
  EXPECT_EQ(engine().asked.at(1).operation, Operation::kRevoke);
  EXPECT_TRUE(revoked.ok());
  // The engine has renewed it, but whoever reads that would count on it.
  EXPECT_EQ(renewed.status(), absl::FailedPreconditionError("lease expired"));
}

TEST_F(LeaseManagerTest, ARevocationThatFailsIsTriedAgainAfterGrowingDelaysAndShown) {
  const std::string id = IdOf(absl::Hours(1));
  engine().reply = Refusal("the database is away");
  EXPECT_EQ(Revoke(id), absl::InvalidArgumentError("the database is away"));
  EXPECT_EQ(Leases("failed"), 1);
  const LeaseInfo info = *leases_->LookUp(id);
  EXPECT_EQ(info.failures, 1);
  EXPECT_EQ(info.last_failure, "the database is away");
  EXPECT_EQ(info.next_attempt, clock_.Now() + limits_.lease_min_retry_delay);
  EXPECT_EQ(info.expires, clock_.Now());
  EXPECT_EQ(Renew(id).status(), absl::FailedPreconditionError("lease expired"));
  scheduler_.Advance(limits_.lease_min_retry_delay);
  EXPECT_EQ(leases_->LookUp(id)->next_attempt, clock_.Now() + 2 * limits_.lease_min_retry_delay);
  scheduler_.Advance(absl::Hours(24));
  EXPECT_LE(leases_->LookUp(id)->next_attempt, clock_.Now() + limits_.lease_max_retry_delay);
  engine().reply = Reply{};
  scheduler_.Advance(limits_.lease_max_retry_delay);
  EXPECT_FALSE(leases_->LookUp(id).has_value());
  EXPECT_EQ(Leases("failed"), 0);
}

TEST_F(LeaseManagerTest, ADelayPassesWhateverTheWallClockIsSetTo) {
  for (const absl::Duration jump : {-absl::Hours(1), absl::Hours(1)}) {
    const std::string id = IdOf(absl::Hours(1));
    engine().reply = Refusal("the database is down");
    EXPECT_EQ(Revoke(id), absl::InvalidArgumentError("the database is down"));
    const std::size_t asked = engine().asked.size();
    clock_.SetWallClock(clock_.Now() + jump);
    scheduler_.Advance(limits_.lease_min_retry_delay - absl::Milliseconds(1));
    EXPECT_THAT(engine().asked, SizeIs(asked)) << jump;
    EXPECT_EQ(leases_->LookUp(id)->next_attempt, clock_.Now() + absl::Milliseconds(1)) << jump;
    engine().reply = Reply{};
    scheduler_.Advance(absl::Milliseconds(1));
    EXPECT_FALSE(leases_->LookUp(id).has_value()) << jump;
  }
}

TEST_F(LeaseManagerTest, ALeaseThatIsDeletedWhileItsEndIsNotedDoesNotComeBack) {
  const std::string id = Register({.ttl = absl::Hours(1)}, "creds/a", "accessor")->id;
  storage_->before_put = [&](std::string_view) { RevokeMeanwhile(id); };
  absl::Status noted = absl::InternalError("no answer");
  leases_->Revoke({.token_accessor = "accessor"}, RevokeMode::kQueue,
                  [&noted](const absl::Status& status) { noted = status; });
  meanwhile_.join();
  scheduler_.Advance();
  EXPECT_EQ(noted, absl::OkStatus());
  EXPECT_FALSE(leases_->LookUp(id).has_value());
  EXPECT_THAT(*storage_->List("sys/expire/id/"), IsEmpty());
}

TEST_F(LeaseManagerTest, ALeaseThatIsRevokedWhileItsTokenEndsIsNotLeftBehind) {
  const std::string first = Register({.ttl = absl::Hours(1)}, "creds/a", "accessor")->id;
  const std::string second = Register({.ttl = absl::Hours(1)}, "creds/a", "accessor")->id;
  storage_->before_put = [&](std::string_view key) {
    RevokeMeanwhile(key.ends_with(first.substr(first.rfind('/') + 1)) ? second : first);
  };
  absl::Status noted = absl::InternalError("no answer");
  leases_->Revoke({.token_accessor = "accessor"}, RevokeMode::kQueue,
                  [&noted](const absl::Status& status) { noted = status; });
  meanwhile_.join();
  EXPECT_EQ(noted, absl::OkStatus());
}

TEST_F(LeaseManagerTest, WhatIsKeptForAMountGoesWithItsLastLease) {
  const Gauge& mounts = metrics_->GetGauge("belfry_lease_mounts", "");
  const std::string first = IdOf(absl::Hours(1));
  const std::string second = IdOf(absl::Hours(1));
  EXPECT_EQ(mounts.Value(), 1);
  EXPECT_TRUE(Revoke(first).ok());
  EXPECT_EQ(mounts.Value(), 1);
  EXPECT_TRUE(Revoke(second).ok());
  EXPECT_EQ(mounts.Value(), 0);
  (void)IdOf(absl::Hours(1));
  EXPECT_TRUE(Disable().ok());
  EXPECT_EQ(mounts.Value(), 0);
}

TEST_F(LeaseManagerTest, ForceForgetsWhatTheEngineCannotRevoke) {
  const std::string id = IdOf(absl::Hours(1));
  engine().reply = absl::UnavailableError("it died");
  EXPECT_EQ(Revoke("db", RevokeMode::kWait, true), absl::UnavailableError("it died"));
  EXPECT_TRUE(Revoke("db", RevokeMode::kForce, true).ok());
  EXPECT_THAT(engine().asked, SizeIs(2));
  EXPECT_FALSE(leases_->LookUp(id).has_value());
  EXPECT_THAT(*storage_->List("sys/expire/"), IsEmpty());
}

TEST_F(LeaseManagerTest, APrefixMeansWholeSegmentsAndRevokingNothingIsFine) {
  const std::string a = IdOf(absl::Hours(1), "creds/a");
  const std::string ab = IdOf(absl::Hours(1), "creds/ab");
  EXPECT_THAT(leases_->List(""), ElementsAre("db/"));
  EXPECT_THAT(leases_->List("db/creds/"), ElementsAre("a/", "ab/"));
  EXPECT_THAT(leases_->List("db/creds/a/"), ElementsAre(a.substr(11)));
  EXPECT_TRUE(Revoke("db/creds/a", RevokeMode::kWait, true).ok());
  EXPECT_FALSE(leases_->LookUp(a).has_value());
  EXPECT_TRUE(leases_->LookUp(ab).has_value());
  EXPECT_TRUE(Revoke("db/creds/none").ok());
}

TEST_F(LeaseManagerTest, NoMoreAreRevokedAtOnceThanAMountMay) {
  for (int i = 0; i < 20; ++i) IdOf(absl::Minutes(1));
  engine().hold = true;
  scheduler_.Advance(absl::Minutes(1));
  EXPECT_THAT(engine().asked, SizeIs(limits_.max_revocations_at_once));
  engine().hold = false;
  engine().LetGo();
  scheduler_.Advance();
  EXPECT_THAT(engine().asked, SizeIs(20));
  EXPECT_THAT(leases_->List(""), IsEmpty());
}

TEST_F(LeaseManagerTest, AMountThatGoesRollsBackAndRevokesWhileItsEngineRuns) {
  IdOf(absl::Hours(1));
  EXPECT_TRUE(Disable().ok());
  EXPECT_THAT(factory_.log, ElementsAre("rollback ", "revoke creds/a", "gone"));
  EXPECT_THAT(leases_->List(""), IsEmpty());
}

TEST_F(LeaseManagerTest, AMountWhoseLeasesCannotBeRevokedGoesOnServing) {
  const std::string id = IdOf(absl::Hours(1));
  engine().reply = Refusal("the database is away");
  const absl::Status refused = Disable();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              ::testing::HasSubstr("the database is away; fix the cause and retry, or forget "
                                   "its leases with sys/leases/revoke-force/db/"));
  EXPECT_TRUE(router_.Find("db/creds/a").has_value());
  EXPECT_TRUE(Revoke(id, RevokeMode::kForce).ok());
  EXPECT_TRUE(Disable().ok());
  EXPECT_EQ(factory_.log.back(), "gone");
}

TEST_F(LeaseManagerTest, AHostThatStartsAgainTakesItsLeasesOver) {
  const std::string id = IdOf(absl::Hours(1));
  const std::string queued = IdOf(absl::Hours(1), "creds/b");
  EXPECT_TRUE(Revoke("x").ok());
  absl::Status accepted = absl::InternalError("no answer");
  leases_->Revoke({.id_or_prefix = queued}, RevokeMode::kQueue,
                  [&accepted](const absl::Status& status) { accepted = status; });
  EXPECT_TRUE(accepted.ok());
  leases_->Stop();
  Restart();
  EXPECT_EQ(leases_->LookUp(id)->expires, clock_.Now() + absl::Hours(1));
  scheduler_.Advance();
  EXPECT_FALSE(leases_->LookUp(queued).has_value());
  scheduler_.Advance(absl::Hours(1));
  EXPECT_FALSE(leases_->LookUp(id).has_value());
  EXPECT_EQ(engine().asked.at(1).lease->internal_data, R"({"k":1})");
}

TEST_F(LeaseManagerTest, ASecretThatCannotBeKeptIsRevokedAtOnce) {
  leases_->Stop();
  EXPECT_EQ(Register({.ttl = absl::Hours(1)}).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(engine().asked.at(0).operation, Operation::kRevoke);
}

TEST(LeaseTerms, SecretsOfKvHaveALeaseOnlyWhereTheMountSaysSo) {
  MountEntry entry;
  entry.type = "kv";
  EXPECT_FALSE(GivesLeases(entry));
  entry.options["leased_passthrough"] = "true";
  EXPECT_TRUE(GivesLeases(entry));
  entry.type = "database";
  entry.options.clear();
  EXPECT_TRUE(GivesLeases(entry));
}

TEST(LeaseTerms, ARenewalBeyondTheLongestTimeIsRefused) {
  const absl::Time issued = absl::UnixEpoch();
  MountEntry entry;
  entry.max_lease_ttl = absl::Hours(1);
  EXPECT_EQ(RenewedTtl(Limits(), entry, {}, {}, issued, issued + absl::Hours(1)).status(),
            absl::FailedPreconditionError("past the max TTL, cannot renew"));
}

TEST(LeaseTerms, AMountWithoutTimesHasThoseOfTheSystem) {
  Limits limits;
  limits.default_lease_ttl = absl::Minutes(5);
  limits.max_lease_ttl = absl::Minutes(20);
  MountEntry entry;
  EXPECT_EQ(GrantedTtl(limits, entry, {}), absl::Minutes(5));
  EXPECT_EQ(GrantedTtl(limits, entry, {.ttl = absl::Hours(1)}), absl::Minutes(20));
  const absl::Time issued = absl::UnixEpoch();
  EXPECT_EQ(*RenewedTtl(limits, entry, {}, absl::Hours(1), issued, issued + absl::Minutes(1)),
            absl::Minutes(19));
  entry.default_lease_ttl = absl::Hours(1);
  entry.max_lease_ttl = absl::Hours(2);
  EXPECT_EQ(GrantedTtl(limits, entry, {}), absl::Hours(1));
  EXPECT_EQ(LongestTtl(limits, entry, {}), absl::Hours(2));
}

}  // namespace
}  // namespace belfry::mounts
