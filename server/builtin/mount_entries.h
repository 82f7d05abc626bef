#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/limits.h"
#include "server/builtin/fields.h"
#include "server/mounts/mount_manager.h"

namespace belfry::builtin {

// Mounts as the sys/mounts endpoints speak of them; `limits` has the system's lease times. Pure
// functions, thread-safe.

enum class MountDetail {
  kAsConfigured,  // A lease time of 0 stands for the system's.
  kEffective,     // The lease times that apply, and the path.
};

// One mount as a JSON object.
std::string MountObject(const Limits& limits, const mounts::Mount& mount, MountDetail detail);

// Those of one class that `shown` lets through, as an object of such objects, by the names that
// operators gave them.
std::string MountsObject(const Limits& limits, const mounts::MountRouter& router,
                         mounts::MountClass mount_class, MountDetail detail,
                         const std::function<bool(const mounts::MountEntry&)>& shown);

// What can be tuned of it, as a JSON object.
std::string TuningObject(const Limits& limits, const mounts::Mount& mount);

// What a request to mount something at `path`, which ends in '/', asks for. InvalidArgument, with
// Vault's words where it has them.
absl::StatusOr<mounts::MountEntry> ParseMountRequest(const Limits& limits,
                                                     mounts::MountClass mount_class,
                                                     std::string path, const Fields& fields);

// What a request to tune a mount asks for, and what in it is ignored.
struct TuneRequest {
  mounts::MountTuning tuning;
  std::vector<std::string> warnings;
};

// What is empty or null changes nothing.
TuneRequest ParseTuneRequest(const Fields& fields);

}  // namespace belfry::builtin
