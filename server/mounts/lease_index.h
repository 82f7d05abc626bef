#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/steady_time.h"
#include "server/mounts/lease_info.h"
#include "server/mounts/lease_record.h"

namespace belfry::mounts {

struct Mount;

// What a LeaseIndex counts: each lease in one of the first three gauges.
struct LeaseGauges {
  Gauge& active;    // Active or renewing.
  Gauge& revoking;  // Queued or revoking.
  Gauge& failed;    // Retrying.
  Gauge& mounts;    // Mounts that have leases or are being disabled.
};

// What happens to a lease whose revocation fails.
enum class OnFailure { kRetry, kForget };

// "lease expired", FailedPrecondition: why a lease is not renewed whose time is over, or which is
// to be revoked.
absl::Status LeaseExpired();

// Which leases there are, in which state each is, and what is to be done next. It asks no engine,
// stores nothing and knows no clock: callers do the work and report how it went.
//
//   Track            → active
//   BeginRenewal     active → renewing
//   EndRenewal       renewing → active, or queued if marked for revocation meanwhile
//   QueueRevocation  active, retrying → queued
//   TakeDue          active if expired, queued, retrying if its delay is over → revoking
//   NoteFailure      revoking → retrying
//   Forget           revoking, or any other state → gone
//
// Not thread-safe: its owner guards it with a lock. No function blocks or calls back. Where a
// function says nothing else, the id must be tracked and the lease in a state from which the table
// leads on. `now` is the wall clock's time, by which leases expire; `steady_now` is the monotonic
// clock's, by which retries are delayed.
class LeaseIndex {
 public:
  // The gauges must outlive the index, which takes back what it has added when it goes. Of the
  // limits it takes max_revocations_at_once (per mount), lease_min_retry_delay and
  // lease_max_retry_delay.
  LeaseIndex(const Limits& limits, LeaseGauges gauges);
  ~LeaseIndex();
  LeaseIndex(const LeaseIndex&) = delete;
  LeaseIndex& operator=(const LeaseIndex&) = delete;

  // A new lease, or one read from storage: active until it expires. Ignored when its id is tracked
  // already.
  void Track(const LeaseRecord& record);

  // Until EndRenewal the lease does not become due. Errors, after which nothing has changed:
  // NotFound "lease not found"; FailedPrecondition "lease is not renewable"; LeaseExpired; Aborted
  // while another renewal is under way. In any state.
  absl::Status BeginRenewal(std::string_view id, absl::Time now);
  // LeaseExpired once the lease is marked for revocation: a new expiry must not be stored then.
  absl::Status CheckRenewal(std::string_view id) const;
  // Takes the new expiry from a record that has just been stored; ignored as soon as the lease is
  // marked for revocation.
  void ApplyRenewal(const LeaseRecord& record);
  // Ends what BeginRenewal began, successful or not. OK: the lease is active until it expires.
  // LeaseExpired: it was marked for revocation meanwhile, and is queued.
  absl::Status EndRenewal(std::string_view id);

  // The lease expires by `now` and cannot be renewed any more, not even by a renewal under way.
  // Until it is queued it becomes due no earlier than before, so that callers can store the expiry
  // first. In any state; ignored when there is no such lease.
  void MarkForRevocation(std::string_view id, absl::Time now);
  // The same, and the lease is due at once, without its retry delay; when it is being renewed,
  // after that. OnFailure::kForget stays in force, kRetry changes nothing. In any state; false when
  // there is no such lease.
  bool QueueRevocation(std::string_view id, OnFailure on_failure, absl::Time now);
  // The leases to be revoked now, mount by mount, of each as many as its limit allows: first those
  // queued, then those expired, the earliest first, then those whose retry delay is over. The
  // caller revokes each and ends that with Forget or NoteFailure.
  std::vector<std::string> TakeDue(absl::Time now, SteadyTime steady_now);
  OnFailure OnFailureOf(std::string_view id) const;
  // A revocation failed. The next attempt follows after a delay that doubles with each failure,
  // from the shortest to the longest of the limits.
  void NoteFailure(std::string_view id, std::string_view message, SteadyTime steady_now);
  // The lease has been revoked, or is given up.
  void Forget(std::string_view id);

  // When TakeDue will return something, by the wall clock and by the monotonic one; InfiniteFuture:
  // not before something changes. A mount at its limit does not count until a revocation ends.
  struct Wakeup {
    absl::Time due = absl::InfiniteFuture();
    SteadyTime retry = SteadyTime::InfiniteFuture();
  };
  Wakeup NextWakeup() const;

  // Until EndDisable, keeps a mount that the router no longer finds, so that its leases can be
  // revoked. Only one at a time for each path.
  void BeginDisable(const std::string& path, std::shared_ptr<const Mount> mount);
  void EndDisable(const std::string& path);
  // Null: the mount at `path` is not being disabled. Shared: a request to its engine may be under
  // way after EndDisable.
  std::shared_ptr<const Mount> MountBeingDisabled(std::string_view path) const;

  bool Contains(std::string_view id) const;
  // Of the tokens that have leases.
  std::vector<std::string> TokenAccessors() const;
  // nullopt: no such lease.
  std::optional<LeaseInfo> LookUp(std::string_view id, absl::Time now, SteadyTime steady_now) const;
  // As LeaseManager::List.
  std::vector<std::string> List(std::string_view prefix) const;
  // Ids in order. A prefix means whole segments: "db/a" matches "db/a/1" but not "db/ab/1".
  std::vector<std::string> Matching(const LeaseScope& scope) const;

 private:
  enum class State {
    kActive,    // Until it expires.
    kRenewing,  // Never due, however late.
    kQueued,    // For its revocation, before all that expire.
    kRevoking,  // Between TakeDue and Forget or NoteFailure.
    kRetrying   // Until its delay is over.
  };
  // The leases of one mount, which hold up no other mount's.
  struct Group {
    // Those in kActive and kQueued, by Entry::due.
    std::set<std::pair<absl::Time, std::string>> due;
    // Those in kRetrying, by Entry::retry.
    std::set<std::pair<SteadyTime, std::string>> retries;
    std::size_t leases = 0;
    int revoking = 0;                        // Those in kRevoking.
    std::shared_ptr<const Mount> disabling;  // Null while the router has it.
  };
  // By the path of the mount; those with leases, or being disabled.
  using Groups = std::map<std::string, Group, std::less<>>;
  struct Entry {
    Groups::iterator group;
    std::string token_accessor;
    absl::Time issued;
    absl::Time expires;
    std::optional<absl::Time> last_renewal;
    bool renewable = false;
    State state = State::kActive;
    // Its place in Group::due. `expires` may be earlier: see MarkForRevocation.
    absl::Time due;
    SteadyTime retry;  // Its place in Group::retries.
    // To be revoked whatever a renewal says. Set in kQueued, kRevoking and kRetrying; in kActive
    // and kRenewing from MarkForRevocation on.
    bool marked_for_revocation = false;
    OnFailure on_failure = OnFailure::kRetry;
    int failures = 0;
    std::string last_failure;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;
  using Tracked = Entries::value_type;

  static void TakeTimes(const LeaseRecord& record, Entry& entry);
  static void Mark(Entry& entry, absl::Time now);
  static std::optional<std::string> NextDue(const Group& group, absl::Time now,
                                            SteadyTime steady_now);

  Gauge& GaugeOf(State state) const;
  void MoveTo(State state, Tracked& lease);
  // The two halves of MoveTo, which keep the group right.
  static void Enter(State state, Tracked& lease);
  static void Leave(const Tracked& lease);

  Tracked& Get(std::string_view id) { return *entries_.find(id); }
  const Tracked& Get(std::string_view id) const { return *entries_.find(id); }
  Groups::iterator GroupOf(const std::string& path);
  void FreeIfUnused(Groups::iterator group);

  const Limits limits_;
  const LeaseGauges gauges_;
  Entries entries_;
  Groups groups_;
  // Ids by the accessor of the token that asked.
  std::map<std::string, std::set<std::string>, std::less<>> by_token_;
};

}  // namespace belfry::mounts
