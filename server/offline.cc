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
#include "server/seal/seal_texts.h"
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
// There are four of them, of some hundred bytes each.
constexpr std::size_t kMostSealEntries = 64;
constexpr std::size_t kMostSealBytes = std::size_t{1} << 20;

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

// What the seal has stored, which is kept back until the rest is known.
class SealEntries {
 public:
  absl::Status Add(Entry entry) {
    bytes_ += entry.key.size() + entry.value.size();
    if (batch_.operations.size() == kMostSealEntries || bytes_ > kMostSealBytes)
      return absl::DataLossError("there is more below seal/ than any server stores there");
    batch_.Put(std::move(entry.key), std::move(entry.value));
    return absl::OkStatus();
  }
  WriteBatch Take() { return std::move(batch_); }

 private:
  WriteBatch batch_;
  std::size_t bytes_ = 0;
};

absl::StatusOr<StoredSummary> Summarize(storage::Snapshot& snapshot) {
  StoredSummary summary;
  SealEntries of_seal;
  const absl::Status read = ForEachPart(snapshot, [&](std::vector<Entry> entries) {
    absl::Status added;
    for (Entry& entry : entries) {
      ++summary.entries;
      summary.bytes += entry.key.size() + entry.value.size();
      if (IsOfSeal(entry.key)) added.Update(of_seal.Add(std::move(entry)));
    }
    return added;
  });
  if (!read.ok()) return read;
  const std::unique_ptr<PhysicalStorage> memory = storage::NewInMemoryPhysicalStorage();
  if (absl::Status failed = WriteOne(*memory, of_seal.Take()); !failed.ok()) return failed;
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

// What root writes where another user's directory or link leads, that user could not open, or has
// chosen where it lies.
absl::Status CheckOwner(const std::string& path) {
  if (geteuid() != 0) return absl::OkStatus();
  std::error_code error;
  std::filesystem::path part;
  for (const std::filesystem::path& name : std::filesystem::absolute(path, error)) {
    part /= name;
    struct stat found = {};
    // Where one is missing the storage says so.
    if (lstat(part.c_str(), &found) != 0) break;
    if (found.st_uid == 0) continue;
    const std::string owner = NameOfUser(found.st_uid);
    return absl::FailedPreconditionError(
        Concat({part.native(), " belongs to the user ", owner,
                ", who could not open what root writes there: run the command as that user, with "
                "`runuser -u ",
                owner, " -- belfry …`"}));
  }
  return absl::OkStatus();
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
absl::Status CopyAll(storage::Snapshot& from, PhysicalStorage& to, std::uint64_t expected) {
  SealEntries of_seal;
  std::uint64_t entries_read = 0;
  const absl::Status copied = ForEachPart(from, [&](std::vector<Entry> entries) {
    entries_read += entries.size();
    WriteBatch batch;
    absl::Status added;
    for (Entry& entry : entries) {
      if (IsOfSeal(entry.key)) {
        added.Update(of_seal.Add(std::move(entry)));
      } else {
        batch.Put(std::move(entry.key), std::move(entry.value));
      }
    }
    return added.ok() ? WriteOne(to, std::move(batch)) : added;
  });
  if (!copied.ok()) return copied;
  if (entries_read != expected) return absl::AbortedError("the snapshot has changed meanwhile");
  return WriteOne(to, of_seal.Take());
}

}  // namespace

absl::StatusOr<SnapshotSummary> InspectSnapshot(const std::string& file) {
  const auto snapshot = storage::SnapshotFile::Open(file);
  if (!snapshot.ok()) return snapshot.status();
  const auto stored = Summarize(**snapshot);
  if (absl::IsDataLoss(stored.status()) && !ToStd(stored.status().message()).starts_with(file)) {
    return absl::DataLossError(Concat({file, ": ", ToStd(stored.status().message())}));
  }
  if (!stored.ok()) return stored.status();
  if (stored->keys == 0)
    return absl::DataLossError(Concat({file, " is not of a server that was initialized"}));
  return SnapshotSummary{.taken = (*snapshot)->info().taken,
                         .version = (*snapshot)->info().version,
                         .stored = *stored};
}

absl::StatusOr<SnapshotSummary> RestoreSnapshot(const std::string& file, const HostConfig& config) {
  absl::StatusOr<SnapshotSummary> summary = InspectSnapshot(file);
  if (!summary.ok()) return summary;
  if (summary->stored.seal != config.seal.kind) {
    return absl::FailedPreconditionError(
        Concat({file, " is of a server with ", seal::StanzaOf(summary->stored.seal),
                ", and the configuration has ", seal::StanzaOf(config.seal.kind),
                ": write the one with which it was initialized"}));
  }
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
    done = snapshot.ok() ? CopyAll(**snapshot, **directory, summary->stored.entries)
                         : snapshot.status();
  }
  if (done.ok()) return summary;
  return absl::Status(done.code(),
                      Concat({"the restoration did not end: ", ToStd(done.message()), ". Remove ",
                              config.storage.path, ", then run it again"}));
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
  absl::StatusOr<StoredSummary> stored = Summarize(*all);
  if (stored.ok() && stored->keys == 0 && stored->entries > 0) {
    return absl::FailedPreconditionError(
        Concat({config.storage.path, " has ", std::to_string(stored->entries),
                " entries and no keys: an initialization or a restoration did not end there. "
                "Restore again"}));
  }
  return stored;
}

}  // namespace belfry
