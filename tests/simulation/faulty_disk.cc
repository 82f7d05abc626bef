#include "tests/simulation/faulty_disk.h"

#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "base/listing.h"

namespace belfry::simulation {
namespace {

using storage::Operation;

void Apply(const std::vector<Operation>& record, FaultyDisk::Values& values) {
  for (const Operation& operation : record) {
    if (operation.value) {
      values.insert_or_assign(operation.key, *operation.value);
    } else if (!operation.end.empty()) {
      values.erase(values.lower_bound(operation.key), values.lower_bound(operation.end));
    } else {
      values.erase(operation.key);
    }
  }
}

}  // namespace

void FaultyDisk::Restart() {
  // Of the last record that is there a part may be torn, which is as if it were not there.
  const std::size_t survive = not_synced_.empty() ? 0 : random_->Below(not_synced_.size() + 1);
  for (std::size_t i = 0; i < survive; ++i) Apply(not_synced_[i], synced_);
  not_synced_.clear();
  values_ = synced_;
  read_only_ = false;
  next_ = Fault::kNone;
}

bool FaultyDisk::FlipBit(std::string_view prefix) {
  std::vector<std::string> keys;
  for (auto it = synced_.lower_bound(prefix); it != synced_.end() && it->first.starts_with(prefix);
       ++it)
    keys.push_back(it->first);
  if (keys.empty()) return false;
  const std::string& key = random_->PickFrom(keys);
  std::string& value = synced_.find(key)->second;
  value[random_->Below(value.size())] ^= static_cast<char>(1 << random_->Below(8));
  values_.insert_or_assign(key, value);
  return true;
}

void FaultyDisk::ForgetOrderedKeys() {
  std::erase_if(synced_,
                [](const auto& entry) { return entry.first.starts_with(storage::kOrderedKeys); });
  values_ = synced_;
}

absl::StatusOr<std::optional<std::string>> FaultyDisk::Get(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::nullopt;
  return it->second;
}

absl::StatusOr<std::vector<std::string>> FaultyDisk::List(std::string_view prefix) const {
  return NamesBelow(values_, prefix);
}

absl::StatusOr<std::vector<storage::Entry>> FaultyDisk::Scan(std::string_view prefix,
                                                             std::string_view after,
                                                             std::size_t limit) const {
  std::vector<storage::Entry> entries;
  auto it = after < prefix ? values_.lower_bound(prefix) : values_.upper_bound(after);
  for (; it != values_.end() && it->first.starts_with(prefix) && entries.size() < limit; ++it)
    entries.push_back({it->first, it->second});
  return entries;
}

absl::Status FaultyDisk::Write(std::span<storage::WriteBatch* const> batches) {
  const Fault fault = std::exchange(next_, Fault::kNone);
  if (read_only_) return absl::InternalError("storage is read-only since a write failed");
  if (fault == Fault::kRefused) return absl::UnavailableError("the write was refused");
  Record record;
  for (const storage::WriteBatch* const batch : batches)
    record.insert(record.end(), batch->operations.begin(), batch->operations.end());
  if (fault != Fault::kNone) {
    not_synced_.push_back(std::move(record));
    read_only_ = true;
    return absl::InternalError("the sync failed");
  }
  Apply(record, values_);
  if (acknowledge_before_sync_) {
    not_synced_.push_back(std::move(record));
    // Some time later the system writes it by itself.
    if (!random_->OneIn(4)) return absl::OkStatus();
    for (const Record& late : std::exchange(not_synced_, {})) Apply(late, synced_);
    return absl::OkStatus();
  }
  Apply(record, synced_);
  return absl::OkStatus();
}

}  // namespace belfry::simulation
