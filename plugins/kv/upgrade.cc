#include "plugins/kv/upgrade.h"

#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "belfry/status_macros.h"

namespace belfry::kv {

absl::Status Upgrade::Prepare(Storage& storage) {
  BELFRY_ASSIGN_OR_RETURN(const std::vector<std::string> left, storage.List(from_));
  pending_ = !left.empty();
  return absl::OkStatus();
}

absl::Status Upgrade::Refusal() const {
  if (!pending_) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "Upgrading from non-versioned to versioned data. This backend will be unavailable for a "
      "brief period and will resume service shortly.");
}

absl::Status Upgrade::Run(HookContext& context) {
  if (!pending_) return absl::OkStatus();
  BELFRY_RETURN_IF_ERROR(UpgradeFolder(context, ""));
  pending_ = false;
  return absl::OkStatus();
}

absl::Status Upgrade::UpgradeFolder(HookContext& context, const std::string& folder) {
  BELFRY_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                          context.storage.List(from_ + folder));
  for (const std::string& name : names) {
    if (context.stop.stop_requested()) return absl::CancelledError("the mount goes");
    BELFRY_RETURN_IF_ERROR(name.ends_with('/') ? UpgradeFolder(context, folder + name)
                                               : UpgradeKey(context.storage, folder + name));
  }
  return absl::OkStatus();
}

// A key that is there already was upgraded before a crash, by a host that does batches one by one,
// or written again before the host told this plugin to initialize.
absl::Status Upgrade::UpgradeKey(Storage& storage, const std::string& name) const {
  const KeyPlace place = to_->PlaceOfName(name);
  BELFRY_ASSIGN_OR_RETURN(std::optional<std::string> value, storage.Get(from_ + name));
  BELFRY_ASSIGN_OR_RETURN(const auto metadata, storage.Get(place.metadata));
  StorageBatch batch;
  if (value && !metadata) {
    KeyMetadata key;
    key.created = key.updated = absl::Now();
    key.current_version = 1;
    key.versions[1].created = key.created;
    batch.Put(place.Version(1), *std::move(value));
    VersionedStore::PutMetadata(place, key, batch);
  }
  batch.Delete(from_ + name);
  return storage.Apply(batch);
}

}  // namespace belfry::kv
