#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "belfry/json.h"
#include "belfry/storage.h"
#include "plugins/kv/key_metadata.h"
#include "plugins/kv/key_names.h"
#include "plugins/kv/metadata_cache.h"

namespace belfry::kv {

// Where one key's values lie in storage.
struct KeyPlace {
  std::string metadata;
  std::string versions;  // Their folder.

  std::string Version(std::int64_t number) const { return versions + std::to_string(number); }
};

// Where kv v2 keeps things, below "<backend uuid>/v2/", each value encoded as stored_value.h says
// and each key under its name as name_cipher.h has it:
//   config                      the MountConfig (config_store.h)
//   metadata/<name of key>      the KeyMetadata; a key exists when this does
//   versions/<name of key>/<n>  the data of version n
// What belongs together is changed by one batch, in which a version comes before the metadata that
// names it and is deleted after the metadata no longer does: where a host does batches one by one,
// a crash leaves at worst a value that nobody can reach. Thread-safe, but a key's metadata may only
// be loaded while nobody else changes that key.
class VersionedStore {
 public:
  // `names` must outlive it.
  VersionedStore(std::string_view backend_uuid, KeyNames* names)
      : root_(std::string(backend_uuid) + "/v2/"), names_(names) {}

  const std::string& root() const { return root_; }

  absl::StatusOr<KeyPlace> PlaceOf(Storage& storage, std::string_view key) const;
  // The place of what has this name already.
  KeyPlace PlaceOfName(std::string_view name) const;
  // The keys and folders directly in `folder` ("" or "a/b/"), in lexical order.
  absl::StatusOr<std::vector<std::string>> List(Storage& storage, std::string_view folder) const {
    return names_->List(storage, root_ + "metadata/", folder);
  }

  // nullopt: no such key.
  absl::StatusOr<std::optional<KeyMetadata>> LoadMetadata(Storage& storage, const KeyPlace& place);
  // Adds the key's new metadata to the batch (nullptr: it has none any more) and applies it. The
  // data of the versions in `gone`, which nobody can reach then, is deleted with it, or after it
  // where that is more than a host takes at once. Aborted: some of that is still there.
  absl::Status Apply(Storage& storage, const KeyPlace& place, const KeyMetadata* metadata,
                     StorageBatch batch, const std::vector<std::int64_t>& gone = {});
  // Where metadata is stored, it is read again.
  void Invalidate(std::string_view storage_key) { known_.Invalidate(storage_key); }

  static void PutMetadata(const KeyPlace& place, const KeyMetadata& metadata, StorageBatch& batch);
  // DataLoss when the value is missing, which metadata says cannot be.
  static absl::StatusOr<Json> LoadData(Storage& storage, const KeyPlace& place,
                                       std::int64_t version);
  static void PutData(const KeyPlace& place, std::int64_t version, const Json& data,
                      StorageBatch& batch);

 private:
  const std::string root_;
  KeyNames* const names_;
  MetadataCache known_;
};

}  // namespace belfry::kv
