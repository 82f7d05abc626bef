#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/storage/physical_storage.h"
#include "tests/simulation/random.h"

namespace belfry::simulation {

// Stands for RocksDB on a disk. A write is one record of a log: torn, it is not there after a
// crash, because its checksum is wrong; not synced, it may be there or not. Once a sync has failed
// nothing more is written until the next start, as in server/storage/rocksdb.cc. Not thread-safe.
class FaultyDisk final : public storage::PhysicalStorage {
 public:
  using Values = std::map<std::string, std::string, std::less<>>;

  // What becomes of the next write.
  enum class Fault {
    kNone,
    kRefused,     // Nothing of it is stored; the next one may be.
    kSyncFails,   // It may be there after the next start.
    kPowerFails,  // The same, and nobody is told anything.
  };

  explicit FaultyDisk(Random* random) : random_(random) {}

  void FailNext(Fault fault) { next_ = fault; }
  // A planted bug: writes return before they are synced.
  void AcknowledgeBeforeSync() { acknowledge_before_sync_ = true; }
  // The process is gone; what the disk has is what the next one finds.
  void Restart();
  // Flips one bit of a value whose key begins with this. False: there is none.
  bool FlipBit(std::string_view prefix);
  // As a snapshot that is restored: without the keys below storage::kOrderedKeys.
  void ForgetOrderedKeys();
  bool read_only() const { return read_only_; }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override;
  absl::StatusOr<std::vector<storage::Entry>> Scan(std::string_view prefix, std::string_view after,
                                                   std::size_t limit) const override;
  absl::Status Write(std::span<storage::WriteBatch* const> batches) override;
  std::unique_ptr<storage::Snapshot> TakeSnapshot() const override { return nullptr; }

 private:
  using Record = std::vector<storage::Operation>;

  Random* const random_;
  Fault next_ = Fault::kNone;
  bool acknowledge_before_sync_ = false;
  bool read_only_ = false;
  Values values_;                   // As those who read see them.
  Values synced_;                   // What is certainly there after a crash.
  std::vector<Record> not_synced_;  // The end of the log.
};

}  // namespace belfry::simulation
