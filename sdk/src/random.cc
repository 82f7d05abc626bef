#include "sdk/src/random.h"

#include <openssl/rand.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace belfry::internal {
namespace {

// Never given out before, and never again; valid until this thread's next call. Drawn many at a
// time: a draw takes some 500 ns, however small, and an event needs a UUID every 3000.
std::span<const unsigned char, 16> NextRandom() {
  thread_local std::array<unsigned char, 1024> drawn;
  thread_local std::size_t used = drawn.size();
  if (used == drawn.size()) {
    FillRandom(drawn);
    used = 0;
  }
  used += 16;
  return std::span<const unsigned char, 16>(&drawn[used - 16], 16);
}

}  // namespace

void FillRandom(std::span<unsigned char> bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1) return;
  std::fputs("belfry: the system gives no random bytes\n", stderr);
  std::abort();
}

std::string NewUuid() {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  constexpr std::string_view kHex = "0123456789abcdef";
  const std::span<const unsigned char, 16> random = NextRandom();
  std::string uuid(kForm);
  std::size_t digit = 0;
  for (char& c : uuid) {
    if (c == '-') continue;
    const unsigned char half = random[digit / 2] >> (digit % 2 * 4) & 0xf;
    if (c == 'x') c = kHex[half];
    if (c == 'y') c = kHex[8 + (half & 0x3)];
    ++digit;
  }
  return uuid;
}

}  // namespace belfry::internal
