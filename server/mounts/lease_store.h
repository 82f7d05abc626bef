#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/mounts/lease_record.h"
#include "server/storage/storage.h"

namespace belfry::mounts {

// The records of leases in storage. Thread-safe. Every call may block, and returns what storage
// said when that failed; then nothing has changed.
class LeaseStore {
 public:
  // Both must outlive it. Records lie below "sys/expire/id/".
  LeaseStore(storage::Storage* storage, const Clock* clock);

  // Calls `visit` with each record, or with DataLoss for one that cannot be read, and its key,
  // which is valid during the call.
  absl::Status ForEach(
      const absl::AnyInvocable<void(std::string_view key, const absl::StatusOr<LeaseRecord>& record)
                                   const>& visit) const;
  // DataLoss when there is none, or it cannot be read.
  absl::StatusOr<LeaseRecord> Get(std::string_view id) const;
  // Hold RecordLock for both, but for a record whose id nobody else knows yet.
  absl::Status Put(const LeaseRecord& record);
  absl::Status Delete(std::string_view id);

  // The record, which from now on says that the lease has expired: so does another start of the
  // host. Takes RecordLock. As Get; or what storage said to the change.
  absl::StatusOr<LeaseRecord> Expire(std::string_view id);

  // Held while a record is read and written, or deleted: between the two nobody else may change it,
  // or a deleted record comes back. Lives as long as the store; several leases share one.
  Mutex& RecordLock(std::string_view id);

 private:
  static constexpr std::size_t kRecordLocks = 64;

  const std::unique_ptr<storage::Storage> view_;
  const Clock* const clock_;
  std::array<Mutex, kRecordLocks> record_locks_;
};

}  // namespace belfry::mounts
