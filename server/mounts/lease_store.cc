#include "server/mounts/lease_store.h"

#include <functional>
#include <optional>
#include <string>

namespace belfry::mounts {
namespace {

// The part of a lease's id that no other has.
std::string_view KeyOf(std::string_view id) {
  return id.substr(id.rfind('/') + 1);
}

}  // namespace

LeaseStore::LeaseStore(storage::Storage* storage, const Clock* clock)
    : view_(storage::NewView(storage, "sys/expire/id/")), clock_(clock) {}

absl::Status LeaseStore::ForEach(
    const absl::AnyInvocable<void(std::string_view key, const absl::StatusOr<LeaseRecord>& record)
                                 const>& visit) const {
  return storage::ForEach(*view_, "", [&visit](const storage::Entry& entry) {
    visit(entry.key, FromStoredText(entry.value));
    return absl::OkStatus();
  });
}

absl::StatusOr<LeaseRecord> LeaseStore::Get(std::string_view id) const {
  const absl::StatusOr<std::optional<std::string>> text = view_->Get(KeyOf(id));
  if (!text.ok()) return text.status();
  if (!*text) return absl::DataLossError("the lease is missing in storage");
  return FromStoredText(**text);
}

absl::Status LeaseStore::Put(const LeaseRecord& record) {
  return storage::Put(*view_, KeyOf(record.lease.id), StoredText(record));
}

absl::Status LeaseStore::Delete(std::string_view id) {
  return storage::Delete(*view_, KeyOf(id));
}

absl::StatusOr<LeaseRecord> LeaseStore::Expire(std::string_view id) {
  MutexLock one_changes(&RecordLock(id));
  absl::StatusOr<LeaseRecord> record = Get(id);
  const absl::Time now = clock_->Now();
  if (!record.ok() || record->expires <= now) return record;
  record->expires = now;
  if (absl::Status stored = Put(*record); !stored.ok()) return stored;
  return record;
}

Mutex& LeaseStore::RecordLock(std::string_view id) {
  return record_locks_[std::hash<std::string_view>()(KeyOf(id)) % record_locks_.size()];
}

}  // namespace belfry::mounts
