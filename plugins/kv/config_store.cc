#include "plugins/kv/config_store.h"

#include <mutex>
#include <utility>

#include "belfry/status_macros.h"
#include "plugins/kv/stored_value.h"

namespace belfry::kv {
namespace {

absl::StatusOr<MountConfig> Read(Storage& storage, std::string_view path) {
  BELFRY_ASSIGN_OR_RETURN(const std::optional<Json> stored, LoadValue(storage, path));
  return stored ? MountConfig::FromJson(*stored) : MountConfig();
}

}  // namespace

absl::StatusOr<MountConfig> ConfigStore::Load(Storage& storage) {
  {
    const std::shared_lock lock(mutex_);
    if (kept_) return *kept_;
  }
  const std::unique_lock lock(mutex_);
  if (kept_) return *kept_;
  BELFRY_ASSIGN_OR_RETURN(const MountConfig config, Read(storage, path_));
  if (!doubtful_) kept_ = config;
  return config;
}

absl::Status ConfigStore::Change(Storage& storage, absl::FunctionRef<void(MountConfig&)> change,
                                 Event told) {
  const std::unique_lock lock(mutex_);
  // It stays forgotten after a failure, when nobody knows what is stored.
  kept_.reset();
  BELFRY_ASSIGN_OR_RETURN(MountConfig config, Read(storage, path_));
  change(config);
  StorageBatch batch;
  batch.Put(path_, EncodeValue(config.ToJson()));
  batch.AddEvent(std::move(told.type), std::move(told.metadata));
  const absl::Status status = storage.Apply(batch);
  if (status.ok()) kept_ = config;
  if (status.ok() || MayYetBeDone(status)) doubtful_ = !status.ok();
  return status;
}

void ConfigStore::Invalidate(std::string_view key) {
  if (key != path_) return;
  const std::unique_lock lock(mutex_);
  kept_.reset();
}

}  // namespace belfry::kv
