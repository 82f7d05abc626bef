#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/text.h"
#include "rocksdb/file_system.h"
#include "server/storage/physical_storage.h"

namespace belfry::storage {

// A fresh directory, gone with everything in it at the end.
class ScratchDirectory final {
 public:
  explicit ScratchDirectory(const std::string& parent = "/tmp") : path_(parent + "/belfry-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline WriteBatch Change(const std::string& key, const std::string& value = "v") {
  WriteBatch batch;
  batch.Put(key, value);
  return batch;
}

inline absl::Status WriteAll(PhysicalStorage& storage, std::vector<WriteBatch> batches) {
  std::vector<WriteBatch*> together;
  for (WriteBatch& batch : batches) together.push_back(&batch);
  return storage.Write(together);
}

inline std::string MessageOf(const absl::Status& status) {
  return std::string(ToStd(status.message()));
}

// The system's files, but a test is asked before each change of one. Thread-safe.
class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Call { kCreate, kAppend, kSync, kRename, kDelete };
  // Gets the file's name without its folder. What is not OK is the call's result; of what is to be
  // appended then, the first half is.
  using Hook = std::function<rocksdb::IOStatus(Call, std::string_view file)>;

  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  void SetHook(Hook hook) {
    MutexLock lock(&mutex_);
    hook_ = std::make_shared<const Hook>(std::move(hook));
  }

  // The directory as a kill at this moment leaves it: RocksDB's threads create, append to, rename
  // and delete nothing meanwhile.
  void CopyAsKilled(const std::filesystem::path& from, const std::filesystem::path& to) {
    MutexLock lock(&changing_);
    std::filesystem::copy(from, to);
  }

  const char* Name() const override { return "FaultyFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    const std::string name = std::filesystem::path(path).filename();
    rocksdb::IOStatus status = Ask(Call::kCreate, name);
    if (!status.ok()) return status;
    MutexLock lock(&changing_);
    status = target()->NewWritableFile(path, options, file, debug);
    if (status.ok()) *file = std::make_unique<File>(this, name, std::move(*file));
    return status;
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = Ask(Call::kRename, std::filesystem::path(to).filename().string());
    if (!status.ok()) return status;
    MutexLock lock(&changing_);
    return target()->RenameFile(from, to, options, debug);
  }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = Ask(Call::kDelete, std::filesystem::path(path).filename().string());
    if (!status.ok()) return status;
    MutexLock lock(&changing_);
    return target()->DeleteFile(path, options, debug);
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(FaultyFileSystem* system, std::string name, std::unique_ptr<rocksdb::FSWritableFile> base)
        : FSWritableFileOwnerWrapper(std::move(base)), system_(system), name_(std::move(name)) {}

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      rocksdb::IOStatus status = system_->Ask(Call::kAppend, name_);
      MutexLock lock(&system_->changing_);
      if (status.ok()) return target()->Append(data, options, debug);
      target()->Append({data.data(), data.size() / 2}, options, debug).PermitUncheckedError();
      return status;
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      rocksdb::IOStatus status = system_->Ask(Call::kSync, name_);
      return status.ok() ? target()->Sync(options, debug) : status;
    }

   private:
    FaultyFileSystem* const system_;
    const std::string name_;
  };

  rocksdb::IOStatus Ask(Call call, std::string_view file) {
    std::shared_ptr<const Hook> hook;
    {
      MutexLock lock(&mutex_);
      hook = hook_;
    }
    return hook == nullptr || !*hook ? rocksdb::IOStatus::OK() : (*hook)(call, file);
  }

  Mutex changing_;  // Held over each of these, but not while the test is asked.
  Mutex mutex_;
  std::shared_ptr<const Hook> hook_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::storage
