#include "base/core_dumps.h"

#include <sys/resource.h>

namespace belfry {

void ForbidCoreDumps() {
  constexpr rlimit kNone{.rlim_cur = 0, .rlim_max = 0};
  // To lower a limit is always allowed.
  (void)setrlimit(RLIMIT_CORE, &kNone);
}

}  // namespace belfry
