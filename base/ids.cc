#include "base/ids.h"

#include <openssl/rand.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/escaping.h"
#include "base/text.h"

namespace belfry {
namespace {

// Never given out before, and never again. Drawn many at a time: a draw takes some 500 ns, however
// small, and an event needs an id every 2,000.
std::array<unsigned char, 16> NextRandom() {
  thread_local std::array<unsigned char, 1024> drawn;
  thread_local std::size_t used = drawn.size();
  if (used == drawn.size()) {
    FillRandom(drawn);
    used = 0;
  }
  std::array<unsigned char, 16> next;
  std::memcpy(next.data(), &drawn[used], next.size());
  used += next.size();
  return next;
}

}  // namespace

void FillRandom(std::span<unsigned char> bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1) return;
  std::fputs("belfry: the system gives no random bytes\n", stderr);
  std::abort();
}

std::string NewUuid() {
  constexpr std::string_view kHex = "0123456789abcdef";
  const std::array<unsigned char, 16> random = NextRandom();
  std::string uuid("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
  std::size_t digit = 0;
  for (char& c : uuid) {
    if (c == '-') continue;
    c = kHex[random[digit / 2] >> (digit % 2 * 4) & 0xf];
    ++digit;
  }
  return uuid;
}

std::string NewMountAccessor(std::string_view type) {
  std::array<unsigned char, 4> bytes;
  FillRandom(bytes);
  return Concat(
      {type, "_",
       absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()})});
}

std::string RandomBase62(std::size_t length) {
  constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  // Bytes above the largest multiple of 62 are thrown away, so that no character is likelier than
  // another.
  constexpr unsigned kFair = 256 - 256 % kAlphabet.size();
  std::string text;
  text.reserve(length);
  std::array<unsigned char, 64> bytes;
  while (text.size() < length) {
    FillRandom(bytes);
    for (const unsigned char byte : bytes) {
      if (byte < kFair && text.size() < length) text += kAlphabet[byte % kAlphabet.size()];
    }
  }
  return text;
}

}  // namespace belfry
