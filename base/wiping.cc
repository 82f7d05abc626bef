#include "base/wiping.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <latch>

#include "absl/base/config.h"

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)

namespace belfry {

void WipeFreedMemory() {}
void WipeUnusedStack() {}
void WipeStacksOfEndedThreads() {}

}  // namespace belfry

#else

namespace belfry {
namespace {

constexpr std::size_t kWipedStackBytes = 256 << 10;
// For what is called at the deepest point, and the page that guards the end.
constexpr std::size_t kStackMargin = 16 << 10;
constexpr std::size_t kFrameBytes = 4096;
constexpr std::size_t kKeptStackBytes = 40 << 20;
constexpr std::size_t kMaxKeptStacks = 64;

std::atomic<bool> wipes_freed{false};

using Free = void(void*);
using Realloc = void*(void*, std::size_t);
std::atomic<Free*> next_free{nullptr};
std::atomic<Realloc*> next_realloc{nullptr};

// The function behind the one of that name here: the C library's, or a preloaded allocator's.
template <typename Function>
Function* Next(std::atomic<Function*>& known, const char* name) {
  Function* function = known.load(std::memory_order_relaxed);
  if (function == nullptr) {
    function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
    known.store(function, std::memory_order_relaxed);
  }
  return function;
}

// How much of the calling thread's stack lies below this frame.
std::size_t UnusedStackBytes() {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
  void* end = nullptr;
  std::size_t size = 0;
  pthread_attr_getstack(&attributes, &end, &size);
  pthread_attr_destroy(&attributes);
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return here - reinterpret_cast<std::uintptr_t>(end);
}

[[gnu::noinline]] void WipeFrames(std::size_t frames) {
  char unused[kFrameBytes];
  explicit_bzero(unused, sizeof unused);
  if (frames > 1) WipeFrames(frames - 1);
  // No call of the frame below is the last thing done here, so that it takes no place of this one.
  asm volatile("" : : "r"(unused) : "memory");
}

void* WipeStackOfAnEndedThread(void* all_have_one) {
  WipeUnusedStack();
  static_cast<std::latch*>(all_have_one)->arrive_and_wait();
  return nullptr;
}

}  // namespace

void WipeFreedMemory() {
  wipes_freed.store(true, std::memory_order_relaxed);
}

void WipeUnusedStack() {
  const std::size_t unused = UnusedStackBytes();
  if (unused <= kStackMargin) return;
  WipeFrames(std::min(unused - kStackMargin, kWipedStackBytes) / kFrameBytes);
}

// The C library keeps 40 MiB of stacks: so many threads are started, all at once.
void WipeStacksOfEndedThreads() {
  std::size_t stack_bytes = kWipedStackBytes;
  pthread_attr_t defaults;
  if (pthread_getattr_default_np(&defaults) == 0) {
    pthread_attr_getstacksize(&defaults, &stack_bytes);
    pthread_attr_destroy(&defaults);
  }
  std::array<pthread_t, kMaxKeptStacks> threads;
  const std::size_t kept = std::min(kMaxKeptStacks, kKeptStackBytes / stack_bytes + 1);
  std::latch all_have_one(static_cast<std::ptrdiff_t>(kept));
  std::size_t started = 0;
  while (started < kept &&
         pthread_create(&threads[started], nullptr, WipeStackOfAnEndedThread, &all_have_one) == 0) {
    ++started;
  }
  all_have_one.count_down(static_cast<std::ptrdiff_t>(kept - started));
  for (std::size_t i = 0; i < started; ++i) pthread_join(threads[i], nullptr);
}

}  // namespace belfry

// These two stand before the allocator's for the whole process, and go on to them. M_PERTURB of
// mallopt, which also overwrites what is freed, passes over what a thread keeps for its next
// allocations.
extern "C" {

void free(void* memory) noexcept {
  if (memory != nullptr && belfry::wipes_freed.load(std::memory_order_relaxed))
    explicit_bzero(memory, malloc_usable_size(memory));
  belfry::Next(belfry::next_free, "free")(memory);
}

void* realloc(void* memory, std::size_t size) noexcept {
  if (memory == nullptr || !belfry::wipes_freed.load(std::memory_order_relaxed))
    return belfry::Next(belfry::next_realloc, "realloc")(memory, size);
  if (size == 0) {
    std::free(memory);
    return nullptr;
  }
  const std::size_t had = malloc_usable_size(memory);
  if (size <= had && size >= had / 2) return memory;
  // The allocator would leave the content where it was.
  void* const moved = std::malloc(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, memory, std::min(size, had));
  std::free(memory);
  return moved;
}

}  // extern "C"

#endif
