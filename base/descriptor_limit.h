#pragma once

#include <cstddef>

namespace belfry {

// The soft limit of open descriptors (setrlimit(2), RLIMIT_NOFILE) of this process. Thread-safe.

// Raises it to the hard limit: a server needs one for each client, and the usual soft limit of 1024
// is for programs that call select(2). To be called once, before threads.
void RaiseDescriptorLimit();

// What it was before, for programs that are started from here; 0: it was not raised.
std::size_t InheritedDescriptorLimit();

}  // namespace belfry
