#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/snapshot.h"
#include "server/storage/storage.h"
#include "server/storage/write_batch.h"

namespace belfry::storage {

// Keys below this have the order of their bytes also where a storage hides the names of others, and
// their names stand in the clear: for what is numbered, and named by nobody.
inline constexpr std::string_view kOrderedKeys = "ordered/";

// Where keys and values lie: below the committer, which alone writes. Get, List and Scan as
// Storage's, thread-safe, also while something is written.
class PhysicalStorage {
 public:
  virtual ~PhysicalStorage() = default;
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const = 0;
  virtual absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const = 0;
  virtual absl::StatusOr<std::vector<Entry>> Scan(std::string_view prefix, std::string_view after,
                                                  std::size_t limit) const = 0;
  // The operations of all the batches, in this order, or none; nobody who reads sees a part. It may
  // take what they hold. One call at a time.
  virtual absl::Status Write(std::span<WriteBatch* const> batches) = 0;
  // Whether Write waits for a disk, so that no thread that serves others may call it. Always the
  // same.
  virtual bool WritesWait() const { return false; }
  // What it holds now, between two writes. A storage that encrypts what it keeps in another one
  // gives what that one holds.
  virtual std::unique_ptr<Snapshot> TakeSnapshot() const = 0;
};

// In memory, lost with the process.
std::unique_ptr<PhysicalStorage> NewInMemoryPhysicalStorage();

}  // namespace belfry::storage
