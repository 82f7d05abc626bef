#pragma once

namespace belfry {

// What was decrypted and is no longer used must not be found in memory later, neither by a bug that
// shows memory nor in a core image of a sealed server. None of these has an effect with
// AddressSanitizer or ThreadSanitizer, which bring an allocator and stacks of their own.

// From now on everything that is freed is overwritten first, whichever library allocated it; but
// not what C++ frees where an allocator was preloaded that replaces operator delete, as jemalloc
// does. Idempotent; cannot be undone. Thread-safe.
void WipeFreedMemory();

// Overwrites the calling thread's stack below the frames in use, 256 KiB deep, or as deep as it is.
void WipeUnusedStack();

// Overwrites the stacks of threads that have ended, which the C library keeps for the next ones.
// Thread-safe; starts threads for a moment.
void WipeStacksOfEndedThreads();

}  // namespace belfry
