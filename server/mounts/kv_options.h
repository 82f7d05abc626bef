#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "server/mounts/mount_entry.h"

namespace belfry::mounts {

// The option `version` of mounts, by which the plugin kv keeps one or several versions of a secret.
// Pure functions, thread-safe.

// Vault's aliases: kv-v1, kv-v2 and generic are all the plugin kv, which has a version in any case.
void ResolveKvType(MountEntry& entry);

// Whether a mount with the options `now` may get those in `wanted`: the version goes up and never
// down. Returns the warning for the caller, or "". InvalidArgument "cannot downgrade mount
// from version 2", "invalid version provided: x". Asked of every mount, whatever its plugin.
absl::StatusOr<std::string> CheckVersionChange(const std::map<std::string, std::string>& now,
                                               const std::map<std::string, std::string>& wanted);

}  // namespace belfry::mounts
