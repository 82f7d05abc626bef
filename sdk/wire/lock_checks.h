#pragma once

namespace belfry::wire {

// Has Abseil no longer look for deadlocks among its locks, in the whole process. Debian builds it
// so that it does: each lock that is taken while another is held then is a search in one graph of
// all of them, under one lock. In our programs these locks are gRPC's alone. Thread-safe; best
// before the first thread starts.
void StopLockChecks();

}  // namespace belfry::wire
