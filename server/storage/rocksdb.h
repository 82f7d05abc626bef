#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/physical_storage.h"

namespace rocksdb {
class FileSystem;
}

namespace belfry::storage {

struct RocksDbOptions {
  // The data directory. Created if it does not exist; the directory that it is in must.
  std::string path;
  // Bytes of the files' blocks, indexes and filters that are kept in memory.
  std::size_t cache_bytes = std::size_t{64} << 20;
  // Bytes of changes that are kept in memory, twice at most, before they become a file. As much is
  // read and applied again at the next start.
  std::size_t write_buffer_bytes = std::size_t{32} << 20;
  // What RocksDB writes to and reads from; null: the system's. For tests. It must outlive the
  // storage.
  rocksdb::FileSystem* file_system = nullptr;
  // Called once when the storage becomes read-only, with what each Write returns from then on. From
  // any thread, RocksDB's own included; it must not block. May be null.
  std::function<void(const absl::Status& reason)> on_read_only = nullptr;
  // Called with each line of RocksDB's own log that says what has gone wrong. As `on_read_only`.
  // May be null.
  std::function<void(std::string_view line)> on_warning = nullptr;
  // Called when a Write has synced, with how many batches it has written. May be null.
  std::function<void(std::size_t batches)> on_sync = nullptr;
};

// Opens the data directory, for this process alone; what it holds is readable by its owner alone.
// It blocks: call it on no thread of gRPC or of the network.
//
// What Write has acknowledged is on the disk, and Write syncs once however many batches it gets.
// When it fails, or a write in the background does, the storage is read-only until it is opened
// again: each Write returns the same status, Internal with the cause and what to do, and what
// failed may be there then, but never a part.
//
// Other errors, of opening and reading alike, name the path and what to do. DataLoss: what is on
// the disk is not what was written; it is never returned as if it were. ResourceExhausted: the disk
// is full. Unavailable: the disk fails. FailedPrecondition: another process has it open, a newer
// Belfry has written it, or this is root and the directory is another user's. InvalidArgument,
// NotFound, PermissionDenied: the path.
absl::StatusOr<std::unique_ptr<PhysicalStorage>> OpenRocksDbStorage(const RocksDbOptions& options);

}  // namespace belfry::storage
