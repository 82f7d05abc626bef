#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace belfry {

// A program and what it gets. It inherits nothing else: every descriptor that is not named here is
// closed, no signal is blocked, and every one has its default effect.
struct SpawnOptions {
  std::vector<std::string> arguments;    // The first is the program's path.
  std::vector<std::string> environment;  // "NAME=value"
  int standard_input = -1;               // -1: /dev/null, here and below
  int standard_output = -1;
  int standard_error = -1;  // -1: the host's own
  int descriptor_3 = -1;    // -1: closed
  int descriptor_4 = -1;    // -1: closed; needs a third.
  // kOwnGroup: it leads a process group of its own, which its children join unless they leave it.
  enum class Session { kShared, kOwnGroup, kOwn } session = Session::kShared;
};

// Starts it; the caller reaps it. Unavailable "cannot execute <path>: <reason>". Thread-safe.
absl::StatusOr<pid_t> Spawn(const SpawnOptions& options);

// The environment of this process, as `SpawnOptions` takes it. Nobody may change it meanwhile.
std::vector<std::string> OwnEnvironment();
// Of it, what another program may see: PATH, HOME, LANG, TZ and TMPDIR, and in a build with a
// sanitizer how that reports. Nobody may change it meanwhile.
std::vector<std::string> InheritedEnvironment();

}  // namespace belfry
