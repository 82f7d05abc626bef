#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "belfry/json.h"
#include "belfry/storage.h"
#include "plugins/kv/key_metadata.h"

namespace belfry::kv {

// Where kv v2 keeps things, below "<backend uuid>/v2/", each value as stored_value.h says:
//   config                 the MountConfig
//   metadata/<key>         the KeyMetadata; a key exists when this does
//   versions/<key>/<n>     the data of version n
// A version is written before the metadata that names it, and deleted after the metadata no longer
// does: a crash in between leaves at worst a value that nobody can reach. Thread-safe; writers of
// one key must exclude each other.
class VersionedStore {
 public:
  explicit VersionedStore(std::string_view backend_uuid)
      : root_(std::string(backend_uuid) + "/v2/") {}

  const std::string& root() const { return root_; }
  absl::StatusOr<MountConfig> LoadConfig(Storage& storage) const;
  absl::Status StoreConfig(Storage& storage, const MountConfig& config) const;

  // nullopt: no such key.
  absl::StatusOr<std::optional<KeyMetadata>> LoadMetadata(Storage& storage,
                                                          std::string_view key) const;
  absl::Status StoreMetadata(Storage& storage, std::string_view key,
                             const KeyMetadata& metadata) const;
  absl::Status DeleteMetadata(Storage& storage, std::string_view key) const;
  absl::StatusOr<std::vector<std::string>> List(Storage& storage, std::string_view folder) const;

  // DataLoss when the value is missing, which metadata says cannot be.
  absl::StatusOr<Json> LoadData(Storage& storage, std::string_view key, std::int64_t version) const;
  absl::Status StoreData(Storage& storage, std::string_view key, std::int64_t version,
                         const Json& data) const;
  absl::Status DeleteData(Storage& storage, std::string_view key, std::int64_t version) const;

 private:
  std::string MetadataKey(std::string_view key) const {
    return root_ + "metadata/" + std::string(key);
  }
  std::string DataKey(std::string_view key, std::int64_t version) const;

  const std::string root_;
};

}  // namespace belfry::kv
