#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "belfry/json.h"

namespace belfry::kv {

// Who did something to a version, as metadata reads show it.
struct Attribution {
  std::string actor;
  std::string operation;
  std::string entity_id;
};

struct Version {
  absl::Time created;
  absl::Time deleted =
      absl::InfinitePast();  // InfinitePast: not set. A time to come: deleted from then on.
  bool destroyed = false;
  std::optional<Attribution> created_by;
  std::optional<Attribution> deleted_by;

  bool Readable(absl::Time now) const {
    return !destroyed && (deleted == absl::InfinitePast() || deleted > now);
  }
};

// What a mount's administrator set for all its keys.
struct MountConfig {
  std::int64_t max_versions = 0;  // 0: the default, 10.
  bool cas_required = false;
  absl::Duration delete_version_after = absl::ZeroDuration();  // Negative: disabled for all keys.

  Json ToJson() const;
  static MountConfig FromJson(const Json& json);
};

// All that is known of one key but its values.
struct KeyMetadata {
  absl::Time created;
  absl::Time updated;
  std::int64_t current_version = 0;
  std::int64_t oldest_version = 0;
  std::int64_t max_versions = 0;
  bool cas_required = false;
  absl::Duration delete_version_after = absl::ZeroDuration();
  std::optional<std::map<std::string, std::string>> custom_metadata;
  std::optional<Attribution> last_updated_by;
  std::map<std::int64_t, Version> versions;

  // Null when there is no such version; 0 means the current one.
  const Version* Find(std::int64_t version) const;
  Version* Find(std::int64_t version);
  // When a version made at `made` deletes itself; InfinitePast when it does not.
  absl::Time ExpiryOf(absl::Time made, const MountConfig& config) const;
  // Makes room for what the limits allow; the versions that fell out, whose values are to be
  // deleted.
  std::map<std::int64_t, Version> TrimTo(const MountConfig& config);

  // As it is stored.
  Json ToJson() const;
  static KeyMetadata FromJson(const Json& json);
  // As `metadata/<key>` shows it.
  Json::Object Shown() const;
  // As answers about one version show it.
  Json::Object ShownVersion(std::int64_t version) const;
};

}  // namespace belfry::kv
