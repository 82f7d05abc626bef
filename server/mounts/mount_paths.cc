#include "server/mounts/mount_paths.h"

#include <algorithm>
#include <array>

#include "base/paths.h"
#include "base/text.h"

namespace belfry::mounts {
namespace {

constexpr std::array<std::string_view, 5> kNotForSecrets = {kAuthPrefix, "cubbyhole/", "identity/",
                                                            "sys/", "audit/"};

bool HasSegment(std::string_view path, std::string_view segment) {
  return Concat({"/", path}).find(Concat({"/", segment, "/"})) != std::string::npos;
}

}  // namespace

bool IsFor(MountClass mount_class, std::string_view path) {
  if (mount_class == MountClass::kAuth)
    return path.starts_with(kAuthPrefix) && path != kAuthPrefix && !path.starts_with(kTokenMount);
  return std::none_of(kNotForSecrets.begin(), kNotForSecrets.end(),
                      [path](std::string_view own) { return path.starts_with(own); });
}

MountClass ClassOf(std::string_view path) {
  return path.starts_with(kAuthPrefix) ? MountClass::kAuth : MountClass::kSecret;
}

std::string AsMountPath(std::string_view path) {
  return path.empty() || path.ends_with('/') ? std::string(path) : Concat({path, "/"});
}

absl::Status CheckMountPath(std::string_view path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(
        "missing mount path: say where to mount, for example secret/");
  }
  if (!IsCleanPath(path)) {
    return absl::InvalidArgumentError(
        Concat({"cannot mount at \"", path,
                "\": a path does not begin with '/' and has no empty segment, no \".\" and no "
                "\"..\""}));
  }
  const auto contains = [path](std::string_view text) {
    return path.find(text) != std::string_view::npos;
  };
  if (contains("*") || contains("{{") || contains("}}") || HasSegment(path, "+")) {
    return absl::InvalidArgumentError(Concat(
        {"cannot mount at \"", path,
         "\": '*', a segment \"+\", \"{{\" and \"}}\" mean something else in policies, so that "
         "no policy could name this mount alone; choose another path"}));
  }
  return absl::OkStatus();
}

}  // namespace belfry::mounts
