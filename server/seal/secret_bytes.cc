#include "server/seal/secret_bytes.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/ids.h"

namespace belfry::seal {

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  // Not of the heap: mlock and madvise act on whole pages, which nothing else may share.
  void* const pages =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    std::fputs("belfry: no memory for a key\n", stderr);
    std::abort();
  }
  data_ = static_cast<unsigned char*>(pages);
  locked_ = mlock(data_, size_) == 0;
  madvise(data_, size_, MADV_DONTDUMP);
}

SecretBytes SecretBytes::Random(std::size_t size) {
  SecretBytes random(size);
  if (size != 0) FillRandom(random.bytes());
  return random;
}

SecretBytes SecretBytes::CopyOf(std::span<const unsigned char> bytes) {
  SecretBytes copy(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.data_);
  return copy;
}

SecretBytes SecretBytes::CopyOf(std::string_view bytes) {
  return CopyOf(std::span(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept {
  *this = std::move(other);
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this == &other) return *this;
  Free();
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  locked_ = std::exchange(other.locked_, false);
  return *this;
}

SecretBytes::~SecretBytes() {
  Free();
}

void SecretBytes::Free() {
  if (data_ == nullptr) return;
  OPENSSL_cleanse(data_, size_);
  munmap(data_, size_);
}

bool operator==(const SecretBytes& a, const SecretBytes& b) {
  return a.size_ == b.size_ && (a.size_ == 0 || CRYPTO_memcmp(a.data_, b.data_, a.size_) == 0);
}

bool CanLockMemory() {
  return SecretBytes(1).locked();
}

}  // namespace belfry::seal
