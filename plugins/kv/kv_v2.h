#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/plugin.h"
#include "plugins/kv/config_store.h"
#include "plugins/kv/key_locks.h"
#include "plugins/kv/key_metadata.h"
#include "plugins/kv/key_names.h"
#include "plugins/kv/metadata_fields.h"
#include "plugins/kv/upgrade.h"
#include "plugins/kv/versioned_store.h"

namespace belfry::kv {

// Versioned values with metadata, soft deletes and check-and-set. Thread-safe.
//
// Every change of a key happens under that key's lock, from reading its metadata to sending its
// event, so that events of a key leave in the order of its writes. An event never fails the write
// that caused it.
class KvV2 {
 public:
  explicit KvV2(Engine& engine);

 private:
  using Versions = std::vector<std::int64_t>;
  struct VersionsEvent;
  static const VersionsEvent kDeleteEvent;
  static const VersionsEvent kUndeleteEvent;
  static const VersionsEvent kDestroyEvent;

  void DescribeConfig(Engine& engine);
  void DescribeData(Engine& engine);
  void DescribeSubkeys(Engine& engine);
  void DescribeVersions(Engine& engine);
  void DescribeMetadata(Engine& engine);
  void DescribeWrongPaths(Engine& engine);

  absl::StatusOr<bool> Exists(Request& request, std::string_view key) const;
  Result ReadData(Request& request, std::string_view key, std::int64_t version) const;
  Result WriteData(Request& request, const std::string& key);
  Result PatchData(Request& request, const std::string& key);
  Result DeleteLatest(Request& request, const std::string& key);
  Result ReadSubkeys(Request& request, std::string_view key, std::int64_t version,
                     std::int64_t depth) const;
  Result DeleteVersions(Request& request, const std::string& key, const Versions& versions);
  Result UndeleteVersions(Request& request, const std::string& key, const Versions& versions);
  Result DestroyVersions(Request& request, const std::string& key, const Versions& versions);
  Result ReadMetadata(Request& request, const std::string& key) const;
  Result WriteMetadata(Request& request, const std::string& key, const KeyFields& fields);
  Result PatchMetadata(Request& request, const std::string& key, const KeyFields& fields);
  Result DeleteMetadata(Request& request, const std::string& key);

  // Takes the keys of `folder` out of `keys` whose current version is deleted, or is to be.
  void LeaveOutDeleted(Request& request, const std::string& folder,
                       std::vector<std::string>& keys) const;
  // Stores the metadata of a key, and tells subscribers.
  absl::Status StoreMetadata(Request& request, const std::string& key, const KeyPlace& place,
                             const KeyMetadata& metadata, const char* event);
  // Adds a version to `metadata`, stores both and tells subscribers.
  Result AddVersion(Request& request, const std::string& key, const KeyPlace& place,
                    KeyMetadata metadata, const MountConfig& config, const Json& data,
                    const char* event);
  // Changes the key's metadata, if it exists, and tells subscribers which versions were asked for.
  template <typename Change>
  Result ChangeVersions(Request& request, const std::string& key, const Versions& versions,
                        const VersionsEvent& event, Change change);

  mutable KeyNames names_;
  mutable ConfigStore config_;
  mutable VersionedStore store_;
  Upgrade upgrade_;
  const bool metadata_read_events_;
  mutable KeyLocks locks_;  // Readers lock, too.
};

}  // namespace belfry::kv
