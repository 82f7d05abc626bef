#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace belfry::mounts {

// What a mount is for.
enum class MountClass {
  kSecret,
  kAuth,  // Below "auth/"; its engine may grant tokens.
};
inline constexpr std::string_view kAuthPrefix = "auth/";

// The name that operators give a mount: "secret/", and "userpass/" of "auth/userpass/".
inline std::string_view GivenPath(MountClass mount_class, std::string_view path) {
  return path.substr(mount_class == MountClass::kAuth ? kAuthPrefix.size() : 0);
}

// What an operator asked for when mounting, and what the host has named it.
struct MountEntry {
  MountClass mount_class = MountClass::kSecret;
  std::string path;  // "secret/", "auth/userpass/"
  std::string type;  // "kv"
  std::string description;
  std::string uuid;
  std::string backend_uuid;  // Given to the plugin, which keeps its keys below it.
  std::string accessor;
  std::map<std::string, std::string> options;
  bool local = false;
  bool seal_wrap = false;
  bool external_entropy_access = false;
  bool force_no_cache = false;
  absl::Duration default_lease_ttl;  // Zero: the system's.
  absl::Duration max_lease_ttl;      // Zero: the system's.
  // Of the plugin in the catalog; "": the one without a version, else the newest.
  std::string plugin_version;

  bool operator==(const MountEntry&) const = default;
};

}  // namespace belfry::mounts
