#pragma once

namespace belfry {

// What was decrypted and is no longer used must not be found in memory later, neither by a bug that
// shows memory nor in a core image of a sealed server. None of these has an effect with a
// sanitizer, which brings an allocator and stacks of its own.

// Has whatever the process frees from now on overwritten first, by whichever library it was
// allocated. To be called once, at the start.
void WipeFreedMemory();

// Overwrites the calling thread's stack below the frames in use, 256 KiB deep.
void WipeUnusedStack();

// Overwrites the stacks of threads that have ended, which the C library keeps for the next ones.
// Thread-safe; starts threads for a moment.
void WipeStacksOfEndedThreads();

}  // namespace belfry
