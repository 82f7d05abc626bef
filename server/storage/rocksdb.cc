#include "server/storage/rocksdb.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/text.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "server/storage/data_directory.h"
#include "server/storage/recording_file_system.h"

namespace belfry::storage {
namespace {

rocksdb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}

// The first key after all that begin with the prefix; "" if there is none.
std::string EndOf(std::string_view prefix) {
  std::string end(prefix);
  while (end.ends_with('\xff')) end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

absl::Status ToStatus(const rocksdb::Status& status, std::string_view path) {
  if (status.ok()) return absl::OkStatus();
  const std::string cause = status.ToString();
  // RocksDB looks for no file that it has not written.
  if (status.IsCorruption() || status.IsPathNotFound()) return DamageError(path, cause);
  const auto message = [&](std::string_view what, std::string_view advice) {
    return Concat({what, " ", path, ": ", cause, ". ", advice});
  };
  if (status.IsNoSpace()) {
    return absl::ResourceExhaustedError(
        ToAbsl(message("disk full:", "Free or add space, then restart the server")));
  }
  if (status.IsIOError()) {
    return absl::UnavailableError(
        ToAbsl(message("disk error in", "Check the disk, then restart the server")));
  }
  if (status.IsBusy()) {
    return absl::FailedPreconditionError(
        ToAbsl(message("already open:", "Stop the process that uses it (`fuser` names it)")));
  }
  if (status.IsNotSupported() || status.IsInvalidArgument()) {
    return absl::FailedPreconditionError(
        ToAbsl(message("RocksDB refuses", "Start the version of Belfry that wrote it")));
  }
  return absl::InternalError(ToAbsl(message("RocksDB failed in", "Restart the server")));
}

rocksdb::Status Add(const Operation& operation, rocksdb::WriteBatch& changes) {
  if (operation.value) return changes.Put(operation.key, *operation.value);
  if (operation.end.empty()) return changes.Delete(operation.key);
  return changes.DeleteRange(operation.key, operation.end);
}

// Why the storage is read-only, once it is. Thread-safe.
class Failure final : public rocksdb::EventListener {
 public:
  Failure(std::string path, std::function<void(const absl::Status&)> on_read_only)
      : path_(std::move(path)), on_read_only_(std::move(on_read_only)) {}

  absl::Status status() const {
    MutexLock lock(&mutex_);
    return status_;
  }
  // The first one counts; returns it.
  absl::Status Set(const rocksdb::Status& cause) {
    const absl::Status status = ToStatus(cause, path_);
    const absl::Status reason = absl::InternalError(
        ToAbsl(Concat({"storage is read-only since a write failed: ", ToStd(status.message())})));
    {
      MutexLock lock(&mutex_);
      if (!status_.ok()) return status_;
      status_ = reason;
    }
    if (on_read_only_) on_read_only_(reason);
    return reason;
  }

  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    if (!error->ok()) Set(*error).IgnoreError();
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  const std::string path_;
  const std::function<void(const absl::Status&)> on_read_only_;
  mutable Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

// In place of the file LOG: a second line that cannot be written there, since the disk is full,
// ends the process by an assertion of RocksDB's. Thread-safe.
class WarningLog final : public rocksdb::Logger {
 public:
  explicit WarningLog(std::function<void(std::string_view line)> on_warning)
      : Logger(rocksdb::InfoLogLevel::WARN_LEVEL), on_warning_(std::move(on_warning)) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    if (!on_warning_) return;
    char line[512];  // Longer ones are cut off.
    std::vsnprintf(line, sizeof line, format, arguments);
    on_warning_(line);
  }

 private:
  const std::function<void(std::string_view line)> on_warning_;
};

// The keys that begin with a prefix, from `first` on, as they were when this was made. RocksDB
// reads nothing for those beyond.
class Cursor {
 public:
  Cursor(rocksdb::DB* db, std::string_view prefix, std::string_view first,
         rocksdb::ReadOptions options = {})
      : end_(EndOf(prefix)), end_slice_(end_) {
    if (!end_.empty()) options.iterate_upper_bound = &end_slice_;
    iterator_.reset(db->NewIterator(options));
    Seek(first);
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  void Seek(std::string_view key) { iterator_->Seek(ToSlice(key)); }
  void Next() { iterator_->Next(); }
  // False: at the end, or failed.
  bool valid() const { return iterator_->Valid(); }
  // Copies, which RocksDB makes: ThreadSanitizer does not see it lock what others write.
  std::string key() const { return iterator_->key().ToString(); }
  std::string value() const { return iterator_->value().ToString(); }
  rocksdb::Status status() const { return iterator_->status(); }

 private:
  const std::string end_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

// What is read once for a copy elsewhere takes no room in the cache.
rocksdb::ReadOptions Uncached() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  // It may end on a thread of the network.
  options.background_purge_on_iterator_cleanup = true;
  return options;
}

class RocksDbSnapshot final : public Snapshot {
 public:
  RocksDbSnapshot(rocksdb::DB* db, std::string path)
      : path_(std::move(path)), cursor_(db, "", "", Uncached()) {}

  absl::StatusOr<std::vector<Entry>> Next(std::size_t bytes) override {
    std::vector<Entry> entries;
    for (std::size_t size = 0; cursor_.valid() && (entries.empty() || size < bytes);
         cursor_.Next()) {
      entries.push_back({cursor_.key(), cursor_.value()});
      size += entries.back().key.size() + entries.back().value.size();
    }
    if (!cursor_.status().ok()) return ToStatus(cursor_.status(), path_);
    return entries;
  }

 private:
  const std::string path_;
  Cursor cursor_;
};

rocksdb::Options MakeOptions(const RocksDbOptions& wanted, rocksdb::Env* env,
                             std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::Options options;
  options.env = env;
  options.listeners = {std::move(listener)};
  options.create_if_missing = true;

  // What the data directory has recorded is verified by now. What is behind it was not
  // acknowledged, and may be torn in any way: it counts up to the first record that is not whole.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.paranoid_checks = true;
  // RocksDB must not resume by itself after an error: it cannot know what a failed fsync has lost.
  options.max_bgerror_resume_count = 0;

  // Sealed values do not compress.
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = wanted.write_buffer_bytes;
  options.max_write_buffer_number = 2;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(wanted.cache_bytes);
  // Indexes and filters count as cache, so that memory does not grow with the data.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  // A Get of a key that does not exist reads no block. Of whole keys: Scan and List need the order
  // of all keys, which a filter of prefixes does not help.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  // One flush and one compaction: there are two cores.
  options.max_background_jobs = 2;
  options.max_file_opening_threads = 2;
  // It is read as a whole at each start, and then a short one begins.
  options.max_manifest_file_size = std::size_t{16} << 20;
  options.info_log = std::make_shared<WarningLog>(wanted.on_warning);
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

class RocksDbStorage final : public PhysicalStorage {
 public:
  static absl::StatusOr<std::unique_ptr<PhysicalStorage>> Open(const RocksDbOptions& options) {
    absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(options.path);
    if (!directory.ok()) return directory.status();
    std::shared_ptr<rocksdb::FileSystem> base = rocksdb::FileSystem::Default();
    if (options.file_system != nullptr) base = {base, options.file_system};
    std::unique_ptr<RocksDbStorage> storage(new RocksDbStorage(
        options, NewRecordingFileSystem(std::move(base), *std::move(directory))));
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(
        MakeOptions(options, storage->env_.get(), storage->failure_), options.path, &db);
    if (!status.ok()) return ToStatus(status, options.path);
    storage->db_.reset(db);
    return storage;
  }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    std::string value;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), ToSlice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return ToStatus(status, path_);
    return value;
  }

  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    std::vector<std::string> names;
    Cursor cursor(db_.get(), prefix, prefix);
    while (cursor.valid()) {
      const std::string key = cursor.key();
      const std::string_view rest = std::string_view(key).substr(prefix.size());
      const std::size_t slash = rest.find('/');
      if (slash == std::string_view::npos) {
        if (!rest.empty()) names.emplace_back(rest);
        cursor.Next();
      } else {
        names.emplace_back(rest.substr(0, slash + 1));
        // '0' follows '/': skips everything else in the folder.
        cursor.Seek(Concat({prefix, rest.substr(0, slash), "0"}));
      }
    }
    if (!cursor.status().ok()) return ToStatus(cursor.status(), path_);
    return names;
  }

  absl::StatusOr<std::vector<Entry>> Scan(std::string_view prefix, std::string_view after,
                                          std::size_t limit) const override {
    std::vector<Entry> entries;
    Cursor cursor(db_.get(), prefix, std::max(prefix, after));
    if (cursor.valid() && cursor.key() == after) cursor.Next();
    for (; cursor.valid() && entries.size() < limit; cursor.Next()) {
      entries.push_back({cursor.key(), cursor.value()});
    }
    if (!cursor.status().ok()) return ToStatus(cursor.status(), path_);
    return entries;
  }

  std::unique_ptr<Snapshot> TakeSnapshot() const override {
    return std::make_unique<RocksDbSnapshot>(db_.get(), path_);
  }

  bool WritesWait() const override { return true; }
  absl::Status Write(std::span<WriteBatch* const> batches) override {
    if (absl::Status status = failure_->status(); !status.ok()) return status;
    rocksdb::WriteBatch changes;
    for (const WriteBatch* const batch : batches) {
      for (const Operation& operation : batch->operations) {
        const rocksdb::Status status = Add(operation, changes);
        if (!status.ok()) return ToStatus(status, path_);
      }
    }
    if (changes.Count() == 0) return absl::OkStatus();
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = db_->Write(options, &changes);
    if (!status.ok()) return failure_->Set(status);
    if (on_sync_) on_sync_(batches.size());
    return absl::OkStatus();
  }

 private:
  RocksDbStorage(const RocksDbOptions& options,
                 const std::shared_ptr<rocksdb::FileSystem>& file_system)
      : path_(options.path),
        on_sync_(options.on_sync),
        env_(rocksdb::NewCompositeEnv(file_system)),
        failure_(std::make_shared<Failure>(options.path, options.on_read_only)) {}

  const std::string path_;
  const std::function<void(std::size_t batches)> on_sync_;
  const std::unique_ptr<rocksdb::Env> env_;
  const std::shared_ptr<Failure> failure_;
  std::unique_ptr<rocksdb::DB> db_;  // Last: it uses the rest.
};

}  // namespace

absl::StatusOr<std::unique_ptr<PhysicalStorage>> OpenRocksDbStorage(const RocksDbOptions& options) {
  return RocksDbStorage::Open(options);
}

}  // namespace belfry::storage
