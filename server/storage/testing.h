#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/storage/committer.h"
#include "server/storage/storage.h"

namespace belfry::storage {

// A storage in memory, for fakes that change one thing about it.
class MemoryStorage : public Storage {
 public:
  explicit MemoryStorage(EventObserver* observer = nullptr) : base_(NewInMemoryStorage(observer)) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return base_->Get(key);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return base_->List(prefix);
  }
  absl::StatusOr<std::vector<Entry>> Scan(std::string_view prefix, std::string_view after,
                                          std::size_t limit) const override {
    return base_->Scan(prefix, after, limit);
  }
  void Commit(WriteBatch batch, Done done) override {
    base_->Commit(std::move(batch), std::move(done));
  }

 private:
  const std::unique_ptr<Storage> base_;
};

// Changes to it can be made to fail. Not thread-safe in what it is told.
class FaultyStorage final : public MemoryStorage {
 public:
  bool refuse_deletes = false;
  bool refuse_puts = false;

  void Commit(WriteBatch batch, Done done) override {
    for (const Operation& operation : batch.operations) {
      if (operation.value ? refuse_puts : refuse_deletes) {
        return done(absl::UnavailableError("no"));
      }
    }
    MemoryStorage::Commit(std::move(batch), std::move(done));
  }
};

}  // namespace belfry::storage
