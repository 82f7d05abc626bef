#include <map>
#include <utility>

#include "base/listing.h"
#include "base/mutex.h"
#include "server/storage/physical_storage.h"

namespace belfry::storage {
namespace {

class Copy final : public Snapshot {
 public:
  explicit Copy(std::vector<Entry> entries) : entries_(std::move(entries)) {}

  absl::StatusOr<std::vector<Entry>> Next(std::size_t bytes) override {
    std::vector<Entry> next;
    for (std::size_t size = 0; next_ < entries_.size() && (next.empty() || size < bytes); ++next_) {
      size += entries_[next_].key.size() + entries_[next_].value.size();
      next.push_back(std::move(entries_[next_]));
    }
    return next;
  }

 private:
  std::vector<Entry> entries_;
  std::size_t next_ = 0;
};

class InMemory final : public PhysicalStorage {
 public:
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    MutexLock lock(&mutex_);
    const auto it = values_.find(key);
    if (it == values_.end()) return std::nullopt;
    return it->second;
  }

  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    MutexLock lock(&mutex_);
    return NamesBelow(values_, prefix);
  }

  absl::StatusOr<std::vector<Entry>> Scan(std::string_view prefix, std::string_view after,
                                          std::size_t limit) const override {
    std::vector<Entry> entries;
    MutexLock lock(&mutex_);
    auto it = after < prefix ? values_.lower_bound(prefix) : values_.upper_bound(after);
    for (; it != values_.end() && it->first.starts_with(prefix) && entries.size() < limit; ++it) {
      entries.push_back({it->first, it->second});
    }
    return entries;
  }

  std::unique_ptr<Snapshot> TakeSnapshot() const override {
    MutexLock lock(&mutex_);
    std::vector<Entry> entries;
    entries.reserve(values_.size());
    for (const auto& [key, value] : values_) entries.push_back({key, value});
    return std::make_unique<Copy>(std::move(entries));
  }

  absl::Status Write(std::span<WriteBatch* const> batches) override {
    MutexLock lock(&mutex_);
    for (WriteBatch* const batch : batches) {
      for (Operation& operation : batch->operations) Do(operation);
    }
    return absl::OkStatus();
  }

 private:
  void Do(Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (operation.value) {
      values_.insert_or_assign(std::move(operation.key), *std::move(operation.value));
    } else if (!operation.end.empty()) {
      values_.erase(values_.lower_bound(operation.key), values_.lower_bound(operation.end));
    } else {
      values_.erase(operation.key);
    }
  }

  mutable Mutex mutex_;
  std::map<std::string, std::string, std::less<>> values_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<PhysicalStorage> NewInMemoryPhysicalStorage() {
  return std::make_unique<InMemory>();
}

}  // namespace belfry::storage
