#include "base/wiping.h"

#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
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
constexpr std::size_t kKeptStackBytes = 40 << 20;
constexpr std::size_t kMaxKeptStacks = 64;

std::atomic<bool> wipes_freed{false};

void* WipeStackOfAnEndedThread(void* all_have_one) {
  WipeUnusedStack();
  static_cast<std::latch*>(all_have_one)->arrive_and_wait();
  return nullptr;
}

}  // namespace

void WipeFreedMemory() {
  wipes_freed.store(true, std::memory_order_relaxed);
}

[[gnu::noinline]] void WipeUnusedStack() {
  char unused[kWipedStackBytes];
  explicit_bzero(unused, sizeof unused);
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

// These two take the place of the C library's for the whole process, as its manual provides for
// ("Replacing malloc"), and go on to them by their other names. M_PERTURB of mallopt, which also
// overwrites what is freed, passes over what a thread keeps for its next allocations.
extern "C" {

// NOLINTBEGIN(bugprone-reserved-identifier)
void __libc_free(void* memory) noexcept;
void* __libc_realloc(void* memory, std::size_t size) noexcept;
// NOLINTEND(bugprone-reserved-identifier)

void free(void* memory) noexcept {
  if (memory != nullptr && belfry::wipes_freed.load(std::memory_order_relaxed))
    explicit_bzero(memory, malloc_usable_size(memory));
  __libc_free(memory);
}

void* realloc(void* memory, std::size_t size) noexcept {
  if (memory == nullptr || size == 0 || !belfry::wipes_freed.load(std::memory_order_relaxed))
    return __libc_realloc(memory, size);
  const std::size_t had = malloc_usable_size(memory);
  if (size <= had && size >= had / 2) return memory;
  // The C library would leave the content where it was.
  void* const moved = std::malloc(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, memory, std::min(size, had));
  std::free(memory);
  return moved;
}

}  // extern "C"

#endif
