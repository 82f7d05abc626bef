#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/mounts/mount_entry.h"
#include "server/storage/storage.h"

namespace belfry::mounts {

// What is stored of a mount.
struct MountRecord {
  enum class State {
    kInService,
    // It is being enabled or disabled: a host that ends meanwhile leaves it, and whatever is below
    // its data's prefix, to the next one to delete.
    kPassing,
  };
  MountEntry entry;
  State state = State::kInService;
};

// The records of mounts in storage, and where mounts keep their data. Thread-safe. Every call may
// block, and returns what storage said when that failed.
class MountStore {
 public:
  // `storage` must outlive it. Records lie below "sys/mount/", by uuid.
  explicit MountStore(storage::Storage* storage);

  // Below it lies all that a mount's engine stores.
  static std::string DataPrefix(const MountEntry& entry);

  // DataLoss when one cannot be read, with what to do.
  absl::StatusOr<std::vector<MountRecord>> Load() const;
  absl::Status Put(const MountRecord& record);
  // Deletes the mount's data, and then its record, which should say kPassing.
  absl::Status Delete(const MountEntry& entry);

 private:
  storage::Storage* const storage_;
  const std::unique_ptr<storage::Storage> records_;
};

}  // namespace belfry::mounts
