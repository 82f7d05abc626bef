#include "sdk/src/exit_watchdog.h"

#include <unistd.h>

#include <cstdlib>

namespace belfry::internal {

void ExitWatchdog::EndProcess() {
  ::_exit(EXIT_SUCCESS);
}

}  // namespace belfry::internal
