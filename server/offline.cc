#include "server/offline.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/text.h"
#include "server/seal/places.h"
#include "server/seal/root_key_store.h"
#include "server/storage/physical_storage.h"
#include "server/storage/rocksdb.h"
#include "server/storage/snapshot.h"
#include "server/storage/snapshot_file.h"

namespace belfry {
namespace {

using storage::Entry;
using storage::PhysicalStorage;
using storage::WriteBatch;

constexpr std::size_t kBatchBytes = std::size_t{1} << 20;

bool IsOfSeal(std::string_view key) {
  return key.starts_with(seal::kSealPlaces);
}

absl::Status WriteOne(PhysicalStorage& storage, WriteBatch batch) {
  WriteBatch* const one = &batch;
  return storage.Write({&one, 1});
}

// Calls `visit` with all entries, some at a time.
absl::Status ForEachPart(storage::Snapshot& snapshot,
                         absl::FunctionRef<absl::Status(std::vector<Entry>)> visit) {
  for (;;) {
    absl::StatusOr<std::vector<Entry>> entries = snapshot.Next(kBatchBytes);
    if (!entries.ok()) return entries.status();
    if (entries->empty()) return absl::OkStatus();
    if (absl::Status failed = visit(*std::move(entries)); !failed.ok()) return failed;
  }
}

absl::StatusOr<StoredSummary> Summarize(storage::Snapshot& snapshot) {
  StoredSummary summary;
  WriteBatch of_seal;
  const absl::Status read = ForEachPart(snapshot, [&](std::vector<Entry> entries) {
    for (Entry& entry : entries) {
      ++summary.entries;
      summary.bytes += entry.key.size() + entry.value.size();
      if (IsOfSeal(entry.key)) of_seal.Put(std::move(entry.key), std::move(entry.value));
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  const std::unique_ptr<PhysicalStorage> memory = storage::NewInMemoryPhysicalStorage();
  if (absl::Status failed = WriteOne(*memory, std::move(of_seal)); !failed.ok()) return failed;
  const auto root_keys = seal::RootKeyStore::Open(memory.get());
  if (!root_keys.ok()) return root_keys.status();
  if (const auto seal = (*root_keys)->configuration()) {
    summary.seal = seal->kind;
    summary.keys = seal->shares;
    summary.keys_needed = seal->threshold;
  }
  return summary;
}

std::string NameOfUser(uid_t user) {
  const passwd* const entry = getpwuid(user);
  return entry == nullptr ? std::to_string(user) : entry->pw_name;
}

// The directory that is there, or else the one in which it would be made.
std::string PresentDirectory(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return std::string(path);
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.native();
}

// What root writes into the directory of another user that one could not open.
absl::Status CheckOwner(const std::string& path) {
  struct stat directory = {};
  // Without one the storage says what is missing.
  if (geteuid() != 0 || stat(PresentDirectory(path).c_str(), &directory) != 0 ||
      directory.st_uid == 0) {
    return absl::OkStatus();
  }
  const std::string owner = NameOfUser(directory.st_uid);
  return absl::FailedPreconditionError(
      Concat({path, " belongs to the user ", owner,
              ", who could not open what root writes there: run the command as that user, with "
              "`runuser -u ",
              owner, " -- belfry …`"}));
}

absl::StatusOr<std::unique_ptr<PhysicalStorage>> OpenDirectory(const HostConfig& config) {
  if (config.storage.kind != StorageConfig::Kind::kRocksDb) {
    return absl::InvalidArgumentError(
        "the configuration has no data directory: it needs storage \"rocksdb\" with a path");
  }
  if (absl::Status other = CheckOwner(config.storage.path); !other.ok()) return other;
  return storage::OpenRocksDbStorage({.path = config.storage.path});
}

// Whether a server's data is there: what an interrupted restoration or initialization has left has
// no keys and cannot be read.
bool IsInUse(PhysicalStorage& storage) {
  const auto root_keys = seal::RootKeyStore::Open(&storage);
  return !root_keys.ok() || (*root_keys)->configuration().has_value();
}

absl::Status DeleteAll(PhysicalStorage& storage) {
  const std::unique_ptr<storage::Snapshot> all = storage.TakeSnapshot();
  return ForEachPart(*all, [&storage](std::vector<Entry> entries) {
    WriteBatch batch;
    for (Entry& entry : entries) batch.Delete(std::move(entry.key));
    return WriteOne(storage, std::move(batch));
  });
}

// The seal's come last and together: without them a storage is not initialized.
absl::Status CopyAll(storage::Snapshot& from, PhysicalStorage& to) {
  WriteBatch of_seal;
  const absl::Status copied = ForEachPart(from, [&](std::vector<Entry> entries) {
    WriteBatch batch;
    for (Entry& entry : entries) {
      (IsOfSeal(entry.key) ? of_seal : batch).Put(std::move(entry.key), std::move(entry.value));
    }
    return WriteOne(to, std::move(batch));
  });
  return copied.ok() ? WriteOne(to, std::move(of_seal)) : copied;
}

}  // namespace

absl::StatusOr<SnapshotSummary> InspectSnapshot(const std::string& file) {
  const auto snapshot = storage::SnapshotFile::Open(file);
  if (!snapshot.ok()) return snapshot.status();
  const auto stored = Summarize(**snapshot);
  if (absl::IsDataLoss(stored.status())) {
    return absl::DataLossError(Concat({file, ": ", ToStd(stored.status().message())}));
  }
  if (!stored.ok()) return stored.status();
  return SnapshotSummary{.taken = (*snapshot)->info().taken,
                         .version = (*snapshot)->info().version,
                         .stored = *stored};
}

absl::StatusOr<SnapshotSummary> RestoreSnapshot(const std::string& file, const HostConfig& config) {
  absl::StatusOr<SnapshotSummary> summary = InspectSnapshot(file);
  if (!summary.ok()) return summary;
  const auto directory = OpenDirectory(config);
  if (!directory.ok()) return directory.status();
  if (IsInUse(**directory)) {
    return absl::FailedPreconditionError(
        Concat({config.storage.path,
                " holds the data of a server: move it away, or restore into another directory"}));
  }
  absl::Status done = DeleteAll(**directory);
  if (done.ok()) {
    const auto snapshot = storage::SnapshotFile::Open(file);
    done = snapshot.ok() ? CopyAll(**snapshot, **directory) : snapshot.status();
  }
  if (done.ok()) return summary;
  return absl::Status(done.code(),
                      Concat({"the restoration did not end, and ", config.storage.path,
                              " can be restored into again: ", ToStd(done.message())}));
}

absl::StatusOr<StoredSummary> CheckStorage(const HostConfig& config) {
  if (config.storage.kind == StorageConfig::Kind::kRocksDb) {
    std::error_code error;
    const bool empty = std::filesystem::is_empty(config.storage.path, error);
    if (error) {
      return absl::NotFoundError(
          Concat({"cannot read the data directory ", config.storage.path, ": ", error.message()}));
    }
    if (empty)
      return absl::NotFoundError(Concat({config.storage.path, " is empty: it has no data"}));
  }
  const auto directory = OpenDirectory(config);
  if (!directory.ok()) return directory.status();
  const std::unique_ptr<storage::Snapshot> all = (*directory)->TakeSnapshot();
  return Summarize(*all);
}

}  // namespace belfry
