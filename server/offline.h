#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/host_config.h"
#include "server/seal/seal_options.h"

namespace belfry {

// What operators do to the data of a server that does not run. Without the unseal keys: names and
// values stay encrypted. The functions block, and one process at a time can do them to a data
// directory.

// What a data directory or a snapshot holds.
struct StoredSummary {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;  // Of their keys and values.
  // How it is unsealed, and of how many keys how many are needed: unseal keys, or recovery keys
  // where a seal unseals. Zeros: it has not been initialized.
  seal::SealKind seal = seal::SealKind::kShamir;
  int keys = 0;
  int keys_needed = 0;
};

struct SnapshotSummary {
  absl::Time taken;
  std::string version;  // Of the server that has taken it.
  StoredSummary stored;
};

// Reads all of a snapshot. Errors name the file and say what to do. InvalidArgument: it is not a
// snapshot, or cannot be read; FailedPrecondition: a newer Belfry has written it; DataLoss: it is
// damaged.
absl::StatusOr<SnapshotSummary> InspectSnapshot(const std::string& file);

// Fills the data directory of a configuration with a snapshot, all of which has been read before
// anything is written. Until all of it is on the disk the directory is one that has not been
// initialized, and may be restored into again. Errors as InspectSnapshot's, OpenRocksDbStorage's
// and those of its Write; InvalidArgument: the configuration has no data directory;
// FailedPrecondition: there is something in it, the server's user could not open it afterwards, or
// the configuration has another seal.
absl::StatusOr<SnapshotSummary> RestoreSnapshot(const std::string& file, const HostConfig& config);

// Opens the data directory of a configuration, as a start does, which applies what a kill has left
// in its logs, and reads all keys and values, whose checksums are compared. Errors as
// OpenRocksDbStorage's, and those of RestoreSnapshot about the directory; NotFound: it does not
// exist, cannot be read or is empty; FailedPrecondition: what a restoration has left that did not
// end.
absl::StatusOr<StoredSummary> CheckStorage(const HostConfig& config);

}  // namespace belfry
