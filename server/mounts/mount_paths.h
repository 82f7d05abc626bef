#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/mounts/mount_entry.h"

namespace belfry::mounts {

// Where mounts may be. Pure functions, thread-safe.

inline constexpr std::string_view kTokenMount = "auth/token/";

// "a/b" → "a/b/". Nothing else is changed: callers were authorised for the name that they give.
std::string AsMountPath(std::string_view path);

// Of a mount at that path.
MountClass ClassOf(std::string_view path);

// Whether mounts of this class, but for the host's own, can be there.
bool IsFor(MountClass mount_class, std::string_view path);

// InvalidArgument when nothing may be mounted there. `path` is as AsMountPath makes it.
absl::Status CheckMountPath(std::string_view path);

}  // namespace belfry::mounts
