#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "belfry/testing/fake_host.h"
#include "sdk/src/testing/recorded_events.h"

namespace belfry::testing {

// A mount's keys in memory. Thread-safe.
class InMemoryFakeStorage final : public FakeStorage {
 public:
  // Events of batches go there, if anywhere; it must outlive this.
  explicit InMemoryFakeStorage(RecordedEvents* events = nullptr) : events_(events) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) override;
  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::Status Apply(const StorageBatch& batch) override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) override;
  void FailNext(absl::Status status) override { FailAfter(0, std::move(status)); }
  void FailAfter(int operations, absl::Status status) override;
  void ReadOnly() override;
  void Writable() override;

 private:
  // The failure that was asked for, or what is wrong with the key.
  absl::Status Check(std::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckWrite(std::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckWrites(const StorageBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Change(const StorageBatch::Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PublishEvents(const StorageBatch& batch) const;
  absl::Status ApplyOneByOne(const StorageBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RecordedEvents* const events_;
  Mutex mutex_;
  std::map<std::string, std::string, std::less<>> values_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> failure_ ABSL_GUARDED_BY(mutex_);
  int until_failure_ ABSL_GUARDED_BY(mutex_) = 0;
  bool read_only_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::testing
