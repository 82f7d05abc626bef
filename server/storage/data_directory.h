#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace belfry::storage {

// The directory of a RocksDB, and the file FORMAT in it: the version of the format, and for each
// file that RocksDB appends to (write-ahead logs and manifests) how much of it is synced, with a
// checksum.
//
// RocksDB takes a damaged length or type of a record for the end of the file and drops the rest
// without an error (docs/decisions/0012-rocksdb.md). With this, damage is found before RocksDB
// reads the files. Bytes beyond the synced ones belong to no acknowledged write, unless power
// failed before the kernel wrote FORMAT back.
//
// Thread-safe, except Verify.
class DataDirectory {
 public:
  // Creates the directory, and FORMAT in an empty one. Errors as OpenRocksDbStorage.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(const std::string& path);
  ~DataDirectory();

  // DataLoss, with the damage alone as its message, if a file is not what was synced. What an older
  // version has written is of this one from then on. Call it first, and while no other process can
  // have the directory open.
  absl::Status Verify();
  // The first `size` bytes of the file are synced and have this checksum. Outlives the process, but
  // outlives a power cut only when the kernel has written it back.
  absl::Status Record(std::string_view file, std::uint64_t size, std::uint32_t checksum);
  // The file will be deleted or started again. Durable when it returns.
  absl::Status Forget(std::string_view file);

 private:
  static constexpr std::size_t kNameSize = 28;
  struct SyncedPart {
    std::array<char, kNameSize> file;  // The name, filled up with zeros.
    std::uint32_t checksum;
    std::uint64_t size;
  };
  // What FORMAT has in its second and third sector, in turns: the valid one with the higher
  // generation counts.
  struct State {
    std::uint32_t checksum;  // Of all that follows.
    std::uint32_t count;
    std::uint64_t generation;
    std::array<SyncedPart, 12> parts;
    std::array<char, 16> unused;
  };
  static constexpr std::size_t kSector = 512;
  static_assert(sizeof(State) == kSector);

  DataDirectory(std::string path, int format);

  absl::Status CheckVersion();
  absl::Status UpgradeVersion() const;
  absl::Status VerifyParts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ReadState() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status VerifyPart(const SyncedPart& part) const;
  SyncedPart* Find(std::string_view file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static std::uint32_t StateChecksum(const State& state);
  absl::Status WriteState() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  const int format_;  // The descriptor of FORMAT.
  bool old_ = false;  // It has an older version, which this one reads.
  Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = {};
};

// The checksum (CRC-32) of some bytes and of those before them, whose checksum is `before`.
std::uint32_t ChecksumOf(std::string_view bytes, std::uint32_t before = 0);

// DataLoss that says what is damaged in the data directory, and what to do.
absl::Status DamageError(std::string_view path, std::string_view damage);

}  // namespace belfry::storage
