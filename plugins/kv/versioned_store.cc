#include "plugins/kv/versioned_store.h"

#include "belfry/status_macros.h"
#include "plugins/kv/stored_value.h"

namespace belfry::kv {

absl::StatusOr<MountConfig> VersionedStore::LoadConfig(Storage& storage) const {
  BELFRY_ASSIGN_OR_RETURN(const std::optional<Json> stored, LoadValue(storage, root_ + "config"));
  return stored ? MountConfig::FromJson(*stored) : MountConfig();
}

absl::Status VersionedStore::StoreConfig(Storage& storage, const MountConfig& config) const {
  return StoreValue(storage, root_ + "config", config.ToJson());
}

absl::StatusOr<std::optional<KeyMetadata>> VersionedStore::LoadMetadata(
    Storage& storage, std::string_view key) const {
  BELFRY_ASSIGN_OR_RETURN(const std::optional<Json> stored, LoadValue(storage, MetadataKey(key)));
  if (!stored) return std::nullopt;
  return KeyMetadata::FromJson(*stored);
}

absl::Status VersionedStore::StoreMetadata(Storage& storage, std::string_view key,
                                           const KeyMetadata& metadata) const {
  return StoreValue(storage, MetadataKey(key), metadata.ToJson());
}

absl::Status VersionedStore::DeleteMetadata(Storage& storage, std::string_view key) const {
  return storage.Delete(MetadataKey(key));
}

absl::StatusOr<std::vector<std::string>> VersionedStore::List(Storage& storage,
                                                              std::string_view folder) const {
  return storage.List(MetadataKey(folder));
}

absl::StatusOr<Json> VersionedStore::LoadData(Storage& storage, std::string_view key,
                                              std::int64_t version) const {
  BELFRY_ASSIGN_OR_RETURN(std::optional<Json> stored, LoadValue(storage, DataKey(key, version)));
  if (!stored) return absl::DataLossError("could not find version data");
  return *std::move(stored);
}

absl::Status VersionedStore::StoreData(Storage& storage, std::string_view key, std::int64_t version,
                                       const Json& data) const {
  return StoreValue(storage, DataKey(key, version), data);
}

absl::Status VersionedStore::DeleteData(Storage& storage, std::string_view key,
                                        std::int64_t version) const {
  return storage.Delete(DataKey(key, version));
}

std::string VersionedStore::DataKey(std::string_view key, std::int64_t version) const {
  return root_ + "versions/" + std::string(key) + "/" + std::to_string(version);
}

}  // namespace belfry::kv
