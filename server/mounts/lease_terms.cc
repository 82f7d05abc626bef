#include "server/mounts/lease_terms.h"

#include <algorithm>
#include <utility>

namespace belfry::mounts {
namespace {

absl::Duration SetOr(absl::Duration ttl, absl::Duration otherwise) {
  return ttl > absl::ZeroDuration() ? ttl : otherwise;
}

absl::Duration DefaultTtl(const MountEntry& entry) {
  return SetOr(entry.default_lease_ttl, kSystemLeaseTtl);
}

}  // namespace

absl::Duration LongestTtl(const MountEntry& entry, absl::Duration max_ttl) {
  const absl::Duration mounts = SetOr(entry.max_lease_ttl, kSystemLeaseTtl);
  return std::min(SetOr(max_ttl, mounts), mounts);
}

bool GivesLeases(const MountEntry& entry) {
  if (entry.type != "kv") return true;
  const auto option = entry.options.find("leased_passthrough");
  return option != entry.options.end() && option->second == "true";
}

absl::Duration GrantedTtl(const MountEntry& entry, const Lease& lease) {
  return std::min(SetOr(lease.ttl, DefaultTtl(entry)), LongestTtl(entry, lease.max_ttl));
}

absl::StatusOr<absl::Duration> RenewedTtl(const MountEntry& entry, const Lease& lease,
                                          absl::Duration increment, absl::Time issued,
                                          absl::Time now) {
  const absl::Duration left = issued + LongestTtl(entry, lease.max_ttl) - now;
  if (left <= absl::ZeroDuration())
    return absl::FailedPreconditionError("past the max TTL, cannot renew");
  return std::min(SetOr(lease.ttl, SetOr(increment, DefaultTtl(entry))), left);
}

absl::StatusOr<LeaseRecord> RenewedRecord(const MountEntry& entry, LeaseRecord record, Lease lease,
                                          absl::Time now) {
  const absl::StatusOr<absl::Duration> ttl =
      RenewedTtl(entry, lease, record.lease.increment, record.lease.issued, now);
  if (!ttl.ok()) return ttl.status();
  record.lease.ttl = *ttl;
  record.lease.max_ttl = lease.max_ttl;
  record.lease.renewable = lease.renewable;
  if (!lease.internal_data.empty()) record.lease.internal_data = std::move(lease.internal_data);
  record.expires = now + *ttl;
  record.last_renewal = now;
  return record;
}

}  // namespace belfry::mounts
