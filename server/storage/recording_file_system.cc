#include "server/storage/recording_file_system.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "base/text.h"

namespace belfry::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus ToIOStatus(const absl::Status& status) {
  if (status.ok()) return IOStatus::OK();
  const std::string message(ToStd(status.message()));
  return absl::IsDataLoss(status) ? IOStatus::Corruption(message) : IOStatus::IOError(message);
}

IOStatus MakePrivate(const std::string& path) {
  if (::chmod(path.c_str(), 0600) == 0) return IOStatus::OK();
  return IOStatus::IOError("failed to set the mode of " + path, std::strerror(errno));
}

// The files that RocksDB appends to and reads again when it opens the directory; those of all other
// kinds are written once, and their blocks have checksums that every read compares.
bool IsAppended(const std::string& file) {
  return file.starts_with("MANIFEST-") || file.ends_with(".log");
}

class RecordedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  RecordedFile(std::unique_ptr<rocksdb::FSWritableFile> base, DataDirectory* directory,
               std::string name)
      : FSWritableFileOwnerWrapper(std::move(base)),
        directory_(directory),
        name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = target()->Append(data, options, debug);
    if (!status.ok()) return status;
    checksum_ = ChecksumOf({data.data(), data.size()}, checksum_);
    size_ += data.size();
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = target()->Sync(options, debug);
    return status.ok() ? Record() : status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = target()->Fsync(options, debug);
    return status.ok() ? Record() : status;
  }

 private:
  IOStatus Record() { return ToIOStatus(directory_->Record(name_, size_, checksum_)); }

  DataDirectory* const directory_;
  const std::string name_;
  // RocksDB appends to a file and syncs it on one thread at a time.
  std::uint64_t size_ = 0;
  std::uint32_t checksum_ = 0;
};

// Whether a lock could not be had since there is one: only RocksDB's texts tell that from a file
// that cannot be opened.
bool IsHeld(const IOStatus& status) {
  const std::string text = status.ToString();
  return text.find("lock hold by") != std::string::npos ||
         text.find("While lock file") != std::string::npos;
}

class RecordingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  RecordingFileSystem(std::shared_ptr<rocksdb::FileSystem> base,
                      std::unique_ptr<DataDirectory> directory)
      : FileSystemWrapper(std::move(base)), directory_(std::move(directory)) {}

  const char* Name() const override { return "RecordingFileSystem"; }

  IOStatus LockFile(const std::string& path, const IOOptions& options, rocksdb::FileLock** lock,
                    IODebugContext* debug) override {
    IOStatus status = target()->LockFile(path, options, lock, debug);
    if (!status.ok()) return IsHeld(status) ? IOStatus::Busy(status.ToString()) : status;
    status = MakePrivate(path);
    if (status.ok()) status = ToIOStatus(directory_->Verify());
    if (!status.ok()) {
      target()->UnlockFile(*lock, options, debug).PermitUncheckedError();
      *lock = nullptr;
    }
    return status;
  }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    const std::string name = std::filesystem::path(path).filename();
    // A crash may have left a file whose number RocksDB uses again.
    IOStatus status = ToIOStatus(directory_->Forget(name));
    if (status.ok()) status = target()->NewWritableFile(path, options, file, debug);
    if (status.ok()) status = MakePrivate(path);
    if (status.ok() && IsAppended(name)) {
      *file = std::make_unique<RecordedFile>(std::move(*file), directory_.get(), name);
    }
    return status;
  }

  IOStatus NewLogger(const std::string& path, const IOOptions& options,
                     std::shared_ptr<rocksdb::Logger>* logger, IODebugContext* debug) override {
    IOStatus status = target()->NewLogger(path, options, logger, debug);
    return status.ok() ? MakePrivate(path) : status;
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* debug) override {
    IOStatus status =
        ToIOStatus(directory_->Forget(std::filesystem::path(path).filename().string()));
    return status.ok() ? target()->DeleteFile(path, options, debug) : status;
  }

 private:
  const std::unique_ptr<DataDirectory> directory_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewRecordingFileSystem(
    std::shared_ptr<rocksdb::FileSystem> base, std::unique_ptr<DataDirectory> directory) {
  return std::make_shared<RecordingFileSystem>(std::move(base), std::move(directory));
}

}  // namespace belfry::storage
