#include "sdk/src/testing/fake_storage.h"

#include <utility>

#include "base/event_rules.h"
#include "sdk/src/reserved_keys.h"

namespace belfry::testing {
absl::StatusOr<std::optional<std::string>> InMemoryFakeStorage::Get(std::string_view key) {
  MutexLock lock(&mutex_);
  if (absl::Status status = Check(key); !status.ok()) return status;
  const auto it = values_.find(key);
  if (it == values_.end()) return std::nullopt;
  return it->second;
}

absl::Status InMemoryFakeStorage::Put(std::string_view key, std::string_view value) {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckWrite(key); !status.ok()) return status;
  Change({std::string(key), std::string(value)});
  return absl::OkStatus();
}

absl::Status InMemoryFakeStorage::Delete(std::string_view key) {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckWrite(key); !status.ok()) return status;
  Change({std::string(key), std::nullopt});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> InMemoryFakeStorage::List(std::string_view prefix) {
  MutexLock lock(&mutex_);
  if (absl::Status status = Check(prefix); !status.ok()) return status;
  std::vector<std::string> names;
  for (auto it = values_.lower_bound(prefix); it != values_.end() && it->first.starts_with(prefix);
       ++it) {
    std::string name = it->first.substr(prefix.size());
    if (const std::size_t slash = name.find('/'); slash != std::string::npos)
      name.resize(slash + 1);
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
  }
  internal::HideReserved(prefix, &names);
  return names;
}

absl::Status InMemoryFakeStorage::Apply(const StorageBatch& batch) {
  {
    MutexLock lock(&mutex_);
    if (failure_ && until_failure_ > 0) return ApplyOneByOne(batch);
    absl::Status too_many = CheckBatchSize(batch.operations().size(), batch.events().size());
    if (!too_many.ok()) return too_many;
    if (absl::Status status = CheckWrites(batch); !status.ok()) return status;
    for (const StorageBatch::Operation& operation : batch.operations()) Change(operation);
  }
  PublishEvents(batch);
  return absl::OkStatus();
}

// As a host without batches, whose crash or failure this is.
absl::Status InMemoryFakeStorage::ApplyOneByOne(const StorageBatch& batch) {
  absl::Status deleted;
  for (const StorageBatch::Operation& operation : batch.operations()) {
    const absl::Status status = CheckWrite(operation.key);
    if (status.ok()) {
      Change(operation);
    } else if (operation.value || &operation == &batch.operations().front()) {
      return status;
    } else {
      deleted.Update(status);
    }
  }
  PublishEvents(batch);
  return deleted.ok() ? deleted : absl::AbortedError(deleted.message());
}

void InMemoryFakeStorage::PublishEvents(const StorageBatch& batch) const {
  for (const Event& event : batch.events()) {
    if (events_ != nullptr) (void)events_->Accept(event);
  }
}

absl::Status InMemoryFakeStorage::CheckWrites(const StorageBatch& batch) {
  for (const StorageBatch::Operation& operation : batch.operations()) {
    if (absl::Status status = CheckWrite(operation.key); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void InMemoryFakeStorage::Change(const StorageBatch::Operation& operation) {
  if (operation.value) {
    values_.insert_or_assign(operation.key, *operation.value);
  } else {
    values_.erase(operation.key);
  }
}

void InMemoryFakeStorage::FailAfter(int operations, absl::Status status) {
  MutexLock lock(&mutex_);
  until_failure_ = operations;
  failure_ = std::move(status);
}

void InMemoryFakeStorage::ReadOnly() {
  MutexLock lock(&mutex_);
  read_only_ = true;
}

void InMemoryFakeStorage::Writable() {
  MutexLock lock(&mutex_);
  read_only_ = false;
}

absl::Status InMemoryFakeStorage::Check(std::string_view key) {
  if (failure_ && until_failure_-- == 0) return *std::exchange(failure_, std::nullopt);
  if (key.find("..") != std::string_view::npos)
    return absl::InvalidArgumentError("relative paths not supported");
  return absl::OkStatus();
}

absl::Status InMemoryFakeStorage::CheckWrite(std::string_view key) {
  if (absl::Status status = Check(key); !status.ok()) return status;
  if (read_only_) return absl::FailedPreconditionError("cannot write to readonly storage");
  return absl::OkStatus();
}

}  // namespace belfry::testing
