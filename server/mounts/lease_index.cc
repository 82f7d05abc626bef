#include "server/mounts/lease_index.h"

#include <algorithm>
#include <cstdint>

#include "base/listing.h"
#include "base/text.h"

namespace belfry::mounts {

absl::Status LeaseExpired() {
  return absl::FailedPreconditionError("lease expired");
}

LeaseIndex::LeaseIndex(const Limits& limits, LeaseGauges gauges)
    : limits_(limits), gauges_(gauges) {}

// The gauges are the process's, and another index may go on with them.
LeaseIndex::~LeaseIndex() {
  for (const auto& [id, entry] : entries_) GaugeOf(entry.state).Add(-1);
  gauges_.mounts.Add(-static_cast<std::int64_t>(groups_.size()));
}

void LeaseIndex::Track(const LeaseRecord& record) {
  const auto [it, added] = entries_.try_emplace(record.lease.id);
  if (!added) return;
  Entry& entry = it->second;
  entry.group = GroupOf(record.mount);
  ++entry.group->second.leases;
  entry.token_accessor = record.token_accessor;
  if (!entry.token_accessor.empty()) by_token_[entry.token_accessor].insert(record.lease.id);
  entry.issued = record.lease.issued;
  TakeTimes(record, entry);
  GaugeOf(State::kActive).Add(1);
  Enter(State::kActive, *it);
}

absl::Status LeaseIndex::BeginRenewal(std::string_view id, absl::Time now) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return absl::NotFoundError("lease not found");
  const Entry& entry = it->second;
  if (!entry.renewable) return absl::FailedPreconditionError("lease is not renewable");
  if (entry.marked_for_revocation || entry.expires <= now) return LeaseExpired();
  if (entry.state == State::kRenewing)
    return absl::AbortedError("another renewal of the lease is under way; try again");
  MoveTo(State::kRenewing, *it);
  return absl::OkStatus();
}

absl::Status LeaseIndex::CheckRenewal(std::string_view id) const {
  return Get(id).second.marked_for_revocation ? LeaseExpired() : absl::OkStatus();
}

void LeaseIndex::ApplyRenewal(const LeaseRecord& record) {
  Entry& entry = Get(record.lease.id).second;
  if (!entry.marked_for_revocation) TakeTimes(record, entry);
}

absl::Status LeaseIndex::EndRenewal(std::string_view id) {
  const absl::Status stands = CheckRenewal(id);
  MoveTo(stands.ok() ? State::kActive : State::kQueued, Get(id));
  return stands;
}

void LeaseIndex::MarkForRevocation(std::string_view id, absl::Time now) {
  if (const auto it = entries_.find(id); it != entries_.end()) Mark(it->second, now);
}

bool LeaseIndex::QueueRevocation(std::string_view id, OnFailure on_failure, absl::Time now) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return false;
  Entry& entry = it->second;
  if (on_failure == OnFailure::kForget) entry.on_failure = on_failure;
  Mark(entry, now);
  // EndRenewal queues it; a revocation under way is enough.
  if (entry.state != State::kRenewing && entry.state != State::kRevoking)
    MoveTo(State::kQueued, *it);
  return true;
}

std::vector<std::string> LeaseIndex::TakeDue(absl::Time now, SteadyTime steady_now) {
  std::vector<std::string> ids;
  for (auto& [path, group] : groups_) {
    while (group.revoking < limits_.max_revocations_at_once) {
      const std::optional<std::string> id = NextDue(group, now, steady_now);
      if (!id) break;
      Tracked& lease = Get(*id);
      lease.second.marked_for_revocation = true;
      MoveTo(State::kRevoking, lease);
      ids.push_back(*id);
    }
  }
  return ids;
}

OnFailure LeaseIndex::OnFailureOf(std::string_view id) const {
  return Get(id).second.on_failure;
}

void LeaseIndex::NoteFailure(std::string_view id, std::string_view message, SteadyTime steady_now) {
  Tracked& lease = Get(id);
  Entry& entry = lease.second;
  absl::Duration delay = limits_.lease_min_retry_delay;
  for (int i = 0; i < entry.failures && delay < limits_.lease_max_retry_delay; ++i) delay *= 2;
  ++entry.failures;
  entry.last_failure = std::string(message);
  entry.retry = steady_now + std::min(delay, limits_.lease_max_retry_delay);
  MoveTo(State::kRetrying, lease);
}

void LeaseIndex::Forget(std::string_view id) {
  const auto it = entries_.find(id);
  const Entry& entry = it->second;
  GaugeOf(entry.state).Add(-1);
  Leave(*it);
  if (const auto ids = by_token_.find(entry.token_accessor); ids != by_token_.end()) {
    ids->second.erase(it->first);
    if (ids->second.empty()) by_token_.erase(ids);
  }
  const Groups::iterator group = entry.group;
  entries_.erase(it);
  --group->second.leases;
  FreeIfUnused(group);
}

LeaseIndex::Wakeup LeaseIndex::NextWakeup() const {
  Wakeup next;
  for (const auto& [path, group] : groups_) {
    if (group.revoking >= limits_.max_revocations_at_once) continue;
    if (!group.due.empty()) next.due = std::min(next.due, group.due.begin()->first);
    if (!group.retries.empty()) next.retry = std::min(next.retry, group.retries.begin()->first);
  }
  return next;
}

void LeaseIndex::BeginDisable(const std::string& path, std::shared_ptr<const Mount> mount) {
  GroupOf(path)->second.disabling = std::move(mount);
}

void LeaseIndex::EndDisable(const std::string& path) {
  const auto group = groups_.find(path);
  group->second.disabling = nullptr;
  FreeIfUnused(group);
}

std::shared_ptr<const Mount> LeaseIndex::MountBeingDisabled(std::string_view path) const {
  const auto group = groups_.find(path);
  return group == groups_.end() ? nullptr : group->second.disabling;
}

std::vector<std::string> LeaseIndex::TokenAccessors() const {
  std::vector<std::string> accessors;
  for (const auto& [accessor, ids] : by_token_) accessors.push_back(accessor);
  return accessors;
}

bool LeaseIndex::Contains(std::string_view id) const {
  return entries_.contains(id);
}

std::optional<LeaseInfo> LeaseIndex::LookUp(std::string_view id, absl::Time now,
                                            SteadyTime steady_now) const {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return std::nullopt;
  const Entry& entry = it->second;
  LeaseInfo info{.id = it->first,
                 .issued = entry.issued,
                 .expires = entry.expires,
                 .last_renewal = entry.last_renewal,
                 .renewable = entry.renewable && !entry.marked_for_revocation,
                 .failures = entry.failures,
                 .last_failure = entry.last_failure};
  // People read the wall clock, whatever clock the delay runs by.
  if (entry.failures > 0)
    info.next_attempt = entry.state == State::kRetrying ? now + (entry.retry - steady_now) : now;
  return info;
}

std::vector<std::string> LeaseIndex::List(std::string_view prefix) const {
  return NamesBelow(entries_, prefix);
}

std::vector<std::string> LeaseIndex::Matching(const LeaseScope& scope) const {
  std::vector<std::string> ids;
  if (!scope.token_accessor.empty()) {
    const auto of_token = by_token_.find(scope.token_accessor);
    if (of_token != by_token_.end()) ids.assign(of_token->second.begin(), of_token->second.end());
    return ids;
  }
  if (entries_.contains(scope.id_or_prefix)) return {scope.id_or_prefix};
  if (!scope.prefix) return ids;
  const std::string folder =
      Concat({scope.id_or_prefix, scope.id_or_prefix.ends_with('/') ? "" : "/"});
  for (auto it = entries_.lower_bound(folder);
       it != entries_.end() && it->first.starts_with(folder); ++it) {
    ids.push_back(it->first);
  }
  return ids;
}

void LeaseIndex::TakeTimes(const LeaseRecord& record, Entry& entry) {
  entry.expires = record.expires;
  entry.last_renewal = record.last_renewal;
  entry.renewable = record.lease.renewable;
}

void LeaseIndex::Mark(Entry& entry, absl::Time now) {
  entry.marked_for_revocation = true;
  entry.expires = std::min(entry.expires, now);
}

// The id of one; nullopt when none is due.
std::optional<std::string> LeaseIndex::NextDue(const Group& group, absl::Time now,
                                               SteadyTime steady_now) {
  if (!group.due.empty() && group.due.begin()->first <= now) return group.due.begin()->second;
  if (!group.retries.empty() && group.retries.begin()->first <= steady_now)
    return group.retries.begin()->second;
  return std::nullopt;
}

Gauge& LeaseIndex::GaugeOf(State state) const {
  switch (state) {
    case State::kActive:
    case State::kRenewing:
      return gauges_.active;
    case State::kQueued:
    case State::kRevoking:
      return gauges_.revoking;
    case State::kRetrying:
      break;
  }
  return gauges_.failed;
}

void LeaseIndex::MoveTo(State state, Tracked& lease) {
  Gauge& before = GaugeOf(lease.second.state);
  Gauge& after = GaugeOf(state);
  if (&before != &after) {
    before.Add(-1);
    after.Add(1);
  }
  Leave(lease);
  Enter(state, lease);
}

void LeaseIndex::Enter(State state, Tracked& lease) {
  auto& [id, entry] = lease;
  Group& group = entry.group->second;
  entry.state = state;
  switch (state) {
    case State::kActive:
    case State::kQueued:
      entry.due = state == State::kActive ? entry.expires : absl::InfinitePast();
      group.due.emplace(entry.due, id);
      return;
    case State::kRetrying:
      group.retries.emplace(entry.retry, id);
      return;
    case State::kRevoking:
      ++group.revoking;
      return;
    case State::kRenewing:
      return;
  }
}

void LeaseIndex::Leave(const Tracked& lease) {
  const auto& [id, entry] = lease;
  Group& group = entry.group->second;
  switch (entry.state) {
    case State::kActive:
    case State::kQueued:
      group.due.erase({entry.due, id});
      return;
    case State::kRetrying:
      group.retries.erase({entry.retry, id});
      return;
    case State::kRevoking:
      --group.revoking;
      return;
    case State::kRenewing:
      return;
  }
}

LeaseIndex::Groups::iterator LeaseIndex::GroupOf(const std::string& path) {
  const auto [group, made] = groups_.try_emplace(path);
  if (made) gauges_.mounts.Add(1);
  return group;
}

void LeaseIndex::FreeIfUnused(Groups::iterator group) {
  if (group->second.leases > 0 || group->second.disabling != nullptr) return;
  groups_.erase(group);
  gauges_.mounts.Add(-1);
}

}  // namespace belfry::mounts
