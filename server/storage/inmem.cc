#include <map>
#include <utility>

#include "base/listing.h"
#include "base/mutex.h"
#include "server/storage/physical_storage.h"

namespace belfry::storage {
namespace {

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
