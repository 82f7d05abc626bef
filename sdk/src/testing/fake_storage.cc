#include "sdk/src/testing/fake_storage.h"

#include <utility>

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
  values_.insert_or_assign(std::string(key), std::string(value));
  return absl::OkStatus();
}

absl::Status InMemoryFakeStorage::Delete(std::string_view key) {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckWrite(key); !status.ok()) return status;
  if (const auto it = values_.find(key); it != values_.end()) values_.erase(it);
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
  return names;
}

void InMemoryFakeStorage::FailNext(absl::Status status) {
  MutexLock lock(&mutex_);
  fail_next_ = std::move(status);
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
  if (fail_next_) return *std::exchange(fail_next_, std::nullopt);
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
