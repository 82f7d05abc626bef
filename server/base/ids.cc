#include "server/base/ids.h"

#include <openssl/rand.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "absl/strings/escaping.h"
#include "server/base/text.h"

namespace belfry {
namespace {

// Without randomness there are no secrets: the process does not go on.
void FillRandom(std::span<unsigned char> bytes) {
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1) return;
  std::fputs("belfry: the system gives no random bytes\n", stderr);
  std::abort();
}

template <std::size_t kBytes>
std::string RandomHex() {
  std::array<unsigned char, kBytes> bytes;
  FillRandom(bytes);
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

std::string NewUuid() {
  const std::string hex = RandomHex<16>();
  const std::string_view view = hex;
  return Concat({view.substr(0, 8), "-", view.substr(8, 4), "-", view.substr(12, 4), "-",
                 view.substr(16, 4), "-", view.substr(20)});
}

std::string NewMountAccessor(std::string_view type) {
  return Concat({type, "_", RandomHex<4>()});
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
