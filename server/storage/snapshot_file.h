#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/sha256.h"
#include "server/storage/snapshot.h"

namespace belfry::storage {

// What a snapshot's file says of itself.
struct SnapshotInfo {
  absl::Time taken;     // To the millisecond.
  std::string version;  // Of the server that has written it; at most 255 bytes.
};

// Makes the bytes of a snapshot's file (docs/decisions/0015-snapshots.md), which follow each other
// as its functions return them: Begin once, Add as often as there are entries, End once. Not
// thread-safe.
class SnapshotEncoder {
 public:
  std::string Begin(const SnapshotInfo& info);
  std::string Add(std::span<const Entry> entries);
  std::string End();

 private:
  std::string Counted(std::string bytes);

  Sha256 digest_;
  std::uint64_t entries_ = 0;
};

// A snapshot that was written to a file.
class SnapshotFile : public Snapshot {
 public:
  // InvalidArgument: it cannot be read, or is no snapshot. FailedPrecondition: a newer Belfry has
  // written it.
  static absl::StatusOr<std::unique_ptr<SnapshotFile>> Open(const std::string& path);

  virtual const SnapshotInfo& info() const = 0;
  // As Snapshot's. DataLoss, with what to do: the file is not what was written. What has been
  // returned may be wrong until the end has been reached.
  absl::StatusOr<std::vector<Entry>> Next(std::size_t bytes) override = 0;
};

}  // namespace belfry::storage
