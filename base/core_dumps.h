#pragma once

namespace belfry {

// From now on neither this process nor those that it starts leave a core image, which would have
// what they keep in memory. (setrlimit(2), RLIMIT_CORE) To be called once, before threads.
void ForbidCoreDumps();

}  // namespace belfry
