#include "server/mounts/lease_terms.h"

#include <algorithm>
#include <utility>

namespace belfry::mounts {
namespace {

absl::Duration SetOr(absl::Duration ttl, absl::Duration otherwise) {
  return ttl > absl::ZeroDuration() ? ttl : otherwise;
}

}  // namespace

absl::Duration DefaultTtl(const Limits& limits, const MountEntry& entry) {
  return SetOr(entry.default_lease_ttl, limits.default_lease_ttl);
}

absl::Duration MaxTtl(const Limits& limits, const MountEntry& entry) {
  return SetOr(entry.max_lease_ttl, limits.max_lease_ttl);
}

absl::Duration LongestTtl(const Limits& limits, const MountEntry& entry, absl::Duration max_ttl) {
  const absl::Duration mounts = MaxTtl(limits, entry);
  return std::min(SetOr(max_ttl, mounts), mounts);
}

bool GivesLeases(const MountEntry& entry) {
  if (entry.type != "kv") return true;
  const auto option = entry.options.find("leased_passthrough");
  return option != entry.options.end() && option->second == "true";
}

absl::Duration GrantedTtl(const Limits& limits, const MountEntry& entry, const Lease& lease) {
  return std::min(SetOr(lease.ttl, DefaultTtl(limits, entry)),
                  LongestTtl(limits, entry, lease.max_ttl));
}

absl::StatusOr<absl::Duration> RenewedTtl(const Limits& limits, const MountEntry& entry,
                                          const Lease& lease, absl::Duration increment,
                                          absl::Time issued, absl::Time now) {
  const absl::Duration left = issued + LongestTtl(limits, entry, lease.max_ttl) - now;
  if (left <= absl::ZeroDuration())
    return absl::FailedPreconditionError("past the max TTL, cannot renew");
  return std::min(SetOr(lease.ttl, SetOr(increment, DefaultTtl(limits, entry))), left);
}

absl::StatusOr<LeaseRecord> RenewedRecord(const Limits& limits, const MountEntry& entry,
                                          LeaseRecord record, Lease lease, absl::Time now) {
  const absl::StatusOr<absl::Duration> ttl =
      RenewedTtl(limits, entry, lease, record.lease.increment, record.lease.issued, now);
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
