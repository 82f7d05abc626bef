#include "server/mounts/lease_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "server/mounts/router.h"

namespace belfry::mounts {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kHour = absl::Hours(1);

// How many leases each gauge counts.
struct Counts {
  std::int64_t active = 0;
  std::int64_t revoking = 0;
  std::int64_t failed = 0;
  bool operator==(const Counts&) const = default;
};

void PrintTo(const Counts& counts, std::ostream* out) {
  *out << counts.active << " active, " << counts.revoking << " revoking, " << counts.failed
       << " failed";
}

Limits SmallLimits() {
  Limits limits;
  limits.max_revocations_at_once = 2;
  limits.lease_min_retry_delay = absl::Seconds(5);
  limits.lease_max_retry_delay = absl::Seconds(30);
  return limits;
}

class LeaseIndexTest : public ::testing::Test {
 protected:
  // The mount is the first segment of `id`.
  LeaseRecord RecordOf(const std::string& id, absl::Duration ttl, std::string token_accessor = "") {
    LeaseRecord record;
    record.mount = id.substr(0, id.find('/') + 1);
    record.token_accessor = std::move(token_accessor);
    record.lease.id = id;
    record.lease.renewable = true;
    record.lease.issued = now_;
    record.expires = now_ + ttl;
    return record;
  }
  void Track(const std::string& id, absl::Duration ttl = kHour, std::string token_accessor = "") {
    index_.Track(RecordOf(id, ttl, std::move(token_accessor)));
  }
  // By both clocks.
  void Pass(absl::Duration time) {
    now_ += time;
    steady_now_ = steady_now_ + time;
  }
  std::vector<std::string> TakeDue() { return index_.TakeDue(now_, steady_now_); }
  bool Queue(std::string_view id, OnFailure on_failure = OnFailure::kRetry) {
    return index_.QueueRevocation(id, on_failure, now_);
  }
  void NoteFailure(std::string_view id) { index_.NoteFailure(id, "it is down", steady_now_); }
  // Until its first revocation has failed.
  void Fail(std::string_view id) {
    EXPECT_TRUE(Queue(id));
    EXPECT_THAT(TakeDue(), ElementsAre(id));
    NoteFailure(id);
  }
  absl::Status BeginRenewal(std::string_view id) { return index_.BeginRenewal(id, now_); }
  LeaseInfo LookUp(std::string_view id) { return *index_.LookUp(id, now_, steady_now_); }
  Gauge& GaugeNamed(const char* name) { return metrics_->GetGauge(name, ""); }
  Counts Counted() {
    return {GaugeNamed("active").Value(), GaugeNamed("revoking").Value(),
            GaugeNamed("failed").Value()};
  }
  std::int64_t Mounts() { return GaugeNamed("mounts").Value(); }

  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  SteadyTime steady_now_ =
      SteadyTime::FromChrono(std::chrono::steady_clock::time_point(std::chrono::hours(1)));
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  LeaseIndex index_{SmallLimits(),
                    {.active = GaugeNamed("active"),
                     .revoking = GaugeNamed("revoking"),
                     .failed = GaugeNamed("failed"),
                     .mounts = GaugeNamed("mounts")}};
};

TEST_F(LeaseIndexTest, ALeaseIsDueFromItsExpiryOnAndTakenOnce) {
  Track("db/a");
  EXPECT_EQ(index_.NextWakeup().due, now_ + kHour);
  EXPECT_EQ(index_.NextWakeup().retry, SteadyTime::InfiniteFuture());
  Pass(kHour - absl::Nanoseconds(1));
  EXPECT_THAT(TakeDue(), IsEmpty());
  Pass(absl::Nanoseconds(1));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  EXPECT_THAT(TakeDue(), IsEmpty());
  EXPECT_EQ(index_.NextWakeup().due, absl::InfiniteFuture());
}

TEST_F(LeaseIndexTest, WhatItHasCountedGoesWithIt) {
  Track("a/1");
  {
    LeaseIndex other(SmallLimits(), {.active = GaugeNamed("active"),
                                     .revoking = GaugeNamed("revoking"),
                                     .failed = GaugeNamed("failed"),
                                     .mounts = GaugeNamed("mounts")});
    other.Track(RecordOf("b/1", kHour));
    other.Track(RecordOf("c/1", kHour));
    other.QueueRevocation("c/1", OnFailure::kRetry, now_);
    EXPECT_EQ(Counted(), (Counts{2, 1, 0}));
    EXPECT_EQ(Mounts(), 3);
  }
  EXPECT_EQ(Counted(), (Counts{1, 0, 0}));
  EXPECT_EQ(Mounts(), 1);
}

TEST_F(LeaseIndexTest, ALeaseIsTrackedOnce) {
  Track("db/a", absl::Minutes(1));
  Track("db/a", kHour);
  EXPECT_EQ(Counted(), (Counts{.active = 1}));
  Pass(kHour);
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  index_.Forget("db/a");
  EXPECT_EQ(Mounts(), 0);
}

TEST_F(LeaseIndexTest, TheEarliestIsRevokedFirstAndWhatIsQueuedBeforeWhatHasExpired) {
  Track("db/a", absl::Minutes(3));
  Track("db/b", absl::Minutes(1));
  Track("db/c", absl::Minutes(2));
  Track("db/d", kHour);
  EXPECT_EQ(index_.NextWakeup().due, now_ + absl::Minutes(1));
  Pass(absl::Minutes(5));
  EXPECT_TRUE(Queue("db/d"));
  EXPECT_EQ(index_.NextWakeup().due, absl::InfinitePast());
  EXPECT_THAT(TakeDue(), ElementsAre("db/d", "db/b"));
  index_.Forget("db/d");
  index_.Forget("db/b");
  EXPECT_THAT(TakeDue(), ElementsAre("db/c", "db/a"));
}

TEST_F(LeaseIndexTest, AMountAtItsLimitWaitsForAnEndAndHoldsUpNoOther) {
  for (const char* id : {"db/a", "db/b", "db/c", "db/d", "ssh/a"}) Track(id, absl::Minutes(1));
  Track("ssh/b", kHour);
  const absl::Time later = now_ + kHour;
  Pass(absl::Minutes(1));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a", "db/b", "ssh/a"));
  EXPECT_THAT(TakeDue(), IsEmpty());
  // Not a time that has passed: nothing would be due then.
  EXPECT_EQ(index_.NextWakeup().due, later);
  index_.Forget("db/a");
  EXPECT_EQ(index_.NextWakeup().due, now_);
  EXPECT_THAT(TakeDue(), ElementsAre("db/c"));
  NoteFailure("db/c");
  EXPECT_THAT(TakeDue(), ElementsAre("db/d"));
  // Its retry would not be taken now, either.
  EXPECT_EQ(index_.NextWakeup().retry, SteadyTime::InfiniteFuture());
  Pass(absl::Seconds(5));
  EXPECT_THAT(TakeDue(), IsEmpty());
}

TEST_F(LeaseIndexTest, ARenewalUnderWayKeepsALeaseFromBeingRevoked) {
  Track("db/a", absl::Minutes(1));
  EXPECT_EQ(BeginRenewal("db/a"), absl::OkStatus());
  Pass(absl::Minutes(2));
  EXPECT_EQ(index_.NextWakeup().due, absl::InfiniteFuture());
  EXPECT_THAT(TakeDue(), IsEmpty());
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_THAT(TakeDue(), IsEmpty());
  EXPECT_EQ(index_.CheckRenewal("db/a"), absl::FailedPreconditionError("lease expired"));
  EXPECT_EQ(index_.EndRenewal("db/a"), absl::FailedPreconditionError("lease expired"));
  EXPECT_EQ(index_.NextWakeup().due, absl::InfinitePast());
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
}

TEST_F(LeaseIndexTest, ARenewedLeaseIsDueAtItsNewExpiry) {
  Track("db/a", absl::Minutes(1));
  EXPECT_EQ(BeginRenewal("db/a"), absl::OkStatus());
  EXPECT_EQ(index_.CheckRenewal("db/a"), absl::OkStatus());
  LeaseRecord record = RecordOf("db/a", kHour);
  record.last_renewal = now_;
  record.lease.renewable = false;
  index_.ApplyRenewal(record);
  EXPECT_EQ(index_.EndRenewal("db/a"), absl::OkStatus());
  EXPECT_EQ(index_.NextWakeup().due, now_ + kHour);
  EXPECT_EQ(LookUp("db/a").expires, now_ + kHour);
  EXPECT_EQ(LookUp("db/a").last_renewal, now_);
  EXPECT_FALSE(LookUp("db/a").renewable);
  Pass(absl::Minutes(2));
  EXPECT_THAT(TakeDue(), IsEmpty());
}

TEST_F(LeaseIndexTest, ALeaseThatExpiresDuringARenewalThatFailsIsDueAfterIt) {
  Track("db/a", absl::Minutes(1));
  EXPECT_EQ(BeginRenewal("db/a"), absl::OkStatus());
  Pass(absl::Minutes(2));
  EXPECT_EQ(index_.EndRenewal("db/a"), absl::OkStatus());
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
}

TEST_F(LeaseIndexTest, WhyALeaseCannotBeRenewed) {
  const absl::Status expired = absl::FailedPreconditionError("lease expired");
  EXPECT_EQ(BeginRenewal("db/none"), absl::NotFoundError("lease not found"));
  LeaseRecord fixed = RecordOf("db/fixed", kHour);
  fixed.lease.renewable = false;
  index_.Track(fixed);
  EXPECT_EQ(BeginRenewal("db/fixed"), absl::FailedPreconditionError("lease is not renewable"));
  Track("db/a", absl::Minutes(1));
  EXPECT_EQ(BeginRenewal("db/a"), absl::OkStatus());
  EXPECT_EQ(BeginRenewal("db/a"),
            absl::AbortedError("another renewal of the lease is under way; try again"));
  EXPECT_EQ(index_.EndRenewal("db/a"), absl::OkStatus());
  Pass(absl::Minutes(1));
  EXPECT_EQ(BeginRenewal("db/a"), expired);
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  EXPECT_EQ(BeginRenewal("db/a"), expired);
  // Its time may seem to be left when the wall clock has been set back.
  now_ -= kHour;
  EXPECT_EQ(BeginRenewal("db/a"), expired);
}

TEST_F(LeaseIndexTest, AMarkedLeaseIsOverButNotQueuedYet) {
  Track("db/a");
  const absl::Time own_expiry = now_ + kHour;
  Pass(absl::Minutes(1));
  index_.MarkForRevocation("db/a", now_);
  EXPECT_EQ(LookUp("db/a").expires, now_);
  EXPECT_FALSE(LookUp("db/a").renewable);
  EXPECT_EQ(BeginRenewal("db/a"), absl::FailedPreconditionError("lease expired"));
  EXPECT_THAT(TakeDue(), IsEmpty());
  EXPECT_EQ(index_.NextWakeup().due, own_expiry);
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  index_.MarkForRevocation("db/none", now_);
  EXPECT_FALSE(Queue("db/none"));
}

TEST_F(LeaseIndexTest, AMarkDuringARenewalOutlivesWhatTheRenewalSays) {
  Track("db/a");
  EXPECT_EQ(BeginRenewal("db/a"), absl::OkStatus());
  index_.MarkForRevocation("db/a", now_);
  index_.ApplyRenewal(RecordOf("db/a", 2 * kHour));
  EXPECT_EQ(LookUp("db/a").expires, now_);
  EXPECT_EQ(index_.EndRenewal("db/a"), absl::FailedPreconditionError("lease expired"));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
}

TEST_F(LeaseIndexTest, AMarkNeverMovesAnExpiryBack) {
  Track("db/a", absl::Minutes(1));
  const absl::Time expiry = now_ + absl::Minutes(1);
  Pass(absl::Minutes(2));
  index_.MarkForRevocation("db/a", now_);
  EXPECT_EQ(LookUp("db/a").expires, expiry);
}

TEST_F(LeaseIndexTest, ARevocationUnderWayIsNotStartedTwice) {
  Track("db/a");
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_THAT(TakeDue(), IsEmpty());
}

TEST_F(LeaseIndexTest, RetryDelaysDoubleUpToTheLimit) {
  Track("db/a");
  Fail("db/a");
  for (const int seconds : {5, 10, 20, 30, 30}) {
    EXPECT_EQ(index_.NextWakeup().retry, steady_now_ + absl::Seconds(seconds));
    Pass(absl::Seconds(seconds) - absl::Nanoseconds(1));
    EXPECT_THAT(TakeDue(), IsEmpty()) << seconds;
    Pass(absl::Nanoseconds(1));
    EXPECT_THAT(TakeDue(), ElementsAre("db/a")) << seconds;
    NoteFailure("db/a");
  }
}

TEST_F(LeaseIndexTest, ARetryFollowsTheMonotonicClockAndAnExpiryTheWallClock) {
  Track("db/retry");
  Track("db/expiry", kHour);
  Fail("db/retry");
  now_ += kHour;
  EXPECT_THAT(TakeDue(), ElementsAre("db/expiry"));
  steady_now_ = steady_now_ + absl::Seconds(5);
  EXPECT_THAT(TakeDue(), ElementsAre("db/retry"));
}

TEST_F(LeaseIndexTest, WhatIsDueGoesBeforeRetriesOfTheSameMount) {
  for (const char* id : {"db/a", "db/b", "db/c"}) Track(id);
  Fail("db/a");
  Pass(kHour);
  EXPECT_THAT(TakeDue(), ElementsAre("db/b", "db/c"));
  index_.Forget("db/b");
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
}

TEST_F(LeaseIndexTest, AQueuedRetryDoesNotWaitForItsDelay) {
  Track("db/a");
  Fail("db/a");
  EXPECT_THAT(TakeDue(), IsEmpty());
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_EQ(index_.NextWakeup().retry, SteadyTime::InfiniteFuture());
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
}

TEST_F(LeaseIndexTest, AMarkedRetryKeepsItsDelay) {
  Track("db/a");
  Fail("db/a");
  index_.MarkForRevocation("db/a", now_);
  EXPECT_EQ(index_.NextWakeup().retry, steady_now_ + absl::Seconds(5));
  EXPECT_THAT(TakeDue(), IsEmpty());
}

TEST_F(LeaseIndexTest, ALeaseToBeForgottenOnFailureStaysSo) {
  Track("db/a");
  Fail("db/a");
  EXPECT_EQ(index_.OnFailureOf("db/a"), OnFailure::kRetry);
  EXPECT_TRUE(Queue("db/a", OnFailure::kForget));
  EXPECT_TRUE(Queue("db/a", OnFailure::kRetry));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  // Storage failed to delete it, say.
  NoteFailure("db/a");
  EXPECT_EQ(index_.OnFailureOf("db/a"), OnFailure::kForget);
}

TEST_F(LeaseIndexTest, AFailedLeaseSaysWhyAndWhenTheNextAttemptFollows) {
  Track("db/a");
  EXPECT_EQ(LookUp("db/a").failures, 0);
  EXPECT_EQ(LookUp("db/a").next_attempt, absl::InfinitePast());
  Pass(absl::Minutes(1));
  Fail("db/a");
  Pass(absl::Seconds(2));
  const LeaseInfo info = LookUp("db/a");
  EXPECT_EQ(info.id, "db/a");
  EXPECT_EQ(info.issued, now_ - absl::Minutes(1) - absl::Seconds(2));
  EXPECT_EQ(info.expires, now_ - absl::Seconds(2));
  EXPECT_FALSE(info.last_renewal.has_value());
  EXPECT_FALSE(info.renewable);
  EXPECT_EQ(info.failures, 1);
  EXPECT_EQ(info.last_failure, "it is down");
  EXPECT_EQ(info.next_attempt, now_ + absl::Seconds(3));
  // So much is left of the delay, whatever time of day an operator says it is.
  now_ += kHour;
  EXPECT_EQ(LookUp("db/a").next_attempt, now_ + absl::Seconds(3));
  // Queued, and then under way.
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_EQ(LookUp("db/a").next_attempt, now_);
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  EXPECT_EQ(LookUp("db/a").next_attempt, now_);
  EXPECT_FALSE(index_.LookUp("db/none", now_, steady_now_).has_value());
}

TEST_F(LeaseIndexTest, TheLastLeaseOfAMountFreesItsGroup) {
  EXPECT_EQ(Mounts(), 0);
  Track("db/a");
  Track("db/b");
  Track("ssh/a");
  EXPECT_EQ(Mounts(), 2);
  index_.Forget("db/a");
  EXPECT_EQ(Mounts(), 2);
  index_.Forget("db/b");
  EXPECT_EQ(Mounts(), 1);
  EXPECT_FALSE(index_.Contains("db/b"));
  EXPECT_TRUE(index_.Contains("ssh/a"));
}

TEST_F(LeaseIndexTest, AMountIsKeptWhileItIsBeingDisabled) {
  const auto mount = std::make_shared<const Mount>();
  EXPECT_EQ(index_.MountBeingDisabled("db/"), nullptr);
  index_.BeginDisable("db/", mount);
  EXPECT_EQ(Mounts(), 1);
  EXPECT_EQ(index_.MountBeingDisabled("db/"), mount);
  Track("db/a");
  index_.Forget("db/a");
  EXPECT_EQ(index_.MountBeingDisabled("db/"), mount);
  index_.EndDisable("db/");
  EXPECT_EQ(index_.MountBeingDisabled("db/"), nullptr);
  EXPECT_EQ(Mounts(), 0);
  // One that keeps leases because it could not be disabled.
  Track("db/b");
  index_.BeginDisable("db/", mount);
  index_.EndDisable("db/");
  EXPECT_EQ(index_.MountBeingDisabled("db/"), nullptr);
  EXPECT_EQ(Mounts(), 1);
}

TEST_F(LeaseIndexTest, AScopeMatchesOneLeaseOrWholeSegmentsOfAPrefix) {
  for (const char* id : {"db/creds/a/1", "db/creds/a/2", "db/creds/ab/1", "db/creds/a", "ssh/a/1"})
    Track(id);
  EXPECT_THAT(index_.Matching({.id_or_prefix = "db/creds/a/2"}), ElementsAre("db/creds/a/2"));
  EXPECT_THAT(index_.Matching({.id_or_prefix = "db/creds"}), IsEmpty());
  EXPECT_THAT(index_.Matching({.id_or_prefix = "db/creds/a/", .prefix = true}),
              ElementsAre("db/creds/a/1", "db/creds/a/2"));
  EXPECT_THAT(index_.Matching({.id_or_prefix = "db", .prefix = true}),
              ElementsAre("db/creds/a", "db/creds/a/1", "db/creds/a/2", "db/creds/ab/1"));
  EXPECT_THAT(index_.Matching({.id_or_prefix = "d", .prefix = true}), IsEmpty());
  // An id goes before a prefix of the same name.
  EXPECT_THAT(index_.Matching({.id_or_prefix = "db/creds/a", .prefix = true}),
              ElementsAre("db/creds/a"));
}

TEST_F(LeaseIndexTest, AScopeOfATokenMatchesAllThatItAskedForAndNothingElse) {
  Track("db/a", kHour, "mine");
  Track("ssh/b", kHour, "mine");
  Track("db/c", kHour, "other");
  Track("db/d");
  EXPECT_THAT(index_.Matching({.id_or_prefix = "db/d", .token_accessor = "mine"}),
              ElementsAre("db/a", "ssh/b"));
  index_.Forget("db/a");
  EXPECT_THAT(index_.Matching({.token_accessor = "mine"}), ElementsAre("ssh/b"));
  index_.Forget("ssh/b");
  EXPECT_THAT(index_.Matching({.token_accessor = "mine"}), IsEmpty());
  EXPECT_THAT(index_.Matching({.token_accessor = "other"}), ElementsAre("db/c"));
}

TEST_F(LeaseIndexTest, NamesAreListedFolderByFolder) {
  for (const char* id : {"db/creds/a/1", "db/creds/a/2", "db/creds/b/1", "ssh/1"}) Track(id);
  EXPECT_THAT(index_.List(""), ElementsAre("db/", "ssh/"));
  EXPECT_THAT(index_.List("db/creds/"), ElementsAre("a/", "b/"));
  EXPECT_THAT(index_.List("db/creds/a/"), ElementsAre("1", "2"));
}

TEST_F(LeaseIndexTest, EveryTransitionCountsALeaseInOneGauge) {
  Track("db/a");
  Track("db/b");
  Track("db/c");
  EXPECT_EQ(Counted(), (Counts{.active = 3}));
  EXPECT_EQ(BeginRenewal("db/a"), absl::OkStatus());
  EXPECT_EQ(Counted(), (Counts{.active = 3}));
  EXPECT_EQ(index_.EndRenewal("db/a"), absl::OkStatus());
  EXPECT_EQ(Counted(), (Counts{.active = 3}));
  index_.MarkForRevocation("db/a", now_);
  EXPECT_EQ(Counted(), (Counts{.active = 3}));
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_EQ(Counted(), (Counts{.active = 2, .revoking = 1}));
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_EQ(Counted(), (Counts{.active = 2, .revoking = 1}));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  EXPECT_EQ(Counted(), (Counts{.active = 2, .revoking = 1}));
  NoteFailure("db/a");
  EXPECT_EQ(Counted(), (Counts{.active = 2, .failed = 1}));
  Pass(absl::Seconds(5));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a"));
  EXPECT_EQ(Counted(), (Counts{.active = 2, .revoking = 1}));
  NoteFailure("db/a");
  EXPECT_TRUE(Queue("db/a"));
  EXPECT_EQ(Counted(), (Counts{.active = 2, .revoking = 1}));
  EXPECT_EQ(BeginRenewal("db/b"), absl::OkStatus());
  EXPECT_TRUE(Queue("db/b"));
  EXPECT_EQ(Counted(), (Counts{.active = 2, .revoking = 1}));
  EXPECT_FALSE(index_.EndRenewal("db/b").ok());
  EXPECT_EQ(Counted(), (Counts{.active = 1, .revoking = 2}));
  EXPECT_THAT(TakeDue(), ElementsAre("db/a", "db/b"));
  index_.Forget("db/a");
  EXPECT_EQ(Counted(), (Counts{.active = 1, .revoking = 1}));
  Pass(kHour);
  EXPECT_THAT(TakeDue(), ElementsAre("db/c"));
  EXPECT_EQ(Counted(), (Counts{.revoking = 2}));
  index_.Forget("db/b");
  index_.Forget("db/c");
  EXPECT_EQ(Counted(), Counts{});
}

}  // namespace
}  // namespace belfry::mounts
