#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace belfry::seal {

// The bytes of a key, in pages of their own: left out of core dumps, locked into memory where the
// system allows it, and wiped when they are no longer needed. Each takes at least one page, so this
// is for keys, not for values. Thread-safe as far as it is const. Without memory the process ends.
class SecretBytes {
 public:
  SecretBytes() = default;
  // Zeros.
  explicit SecretBytes(std::size_t size);
  static SecretBytes Random(std::size_t size);
  static SecretBytes CopyOf(std::span<const unsigned char> bytes);
  static SecretBytes CopyOf(std::string_view bytes);

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  ~SecretBytes();

  SecretBytes Copy() const { return CopyOf(bytes()); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  unsigned char* data() { return data_; }
  const unsigned char* data() const { return data_; }
  std::span<unsigned char> bytes() { return {data_, size_}; }
  std::span<const unsigned char> bytes() const { return {data_, size_}; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }

  // Whether the system has agreed to keep the bytes out of swap space. (mlock(2), RLIMIT_MEMLOCK)
  bool locked() const { return locked_; }

  // In a time that depends on the sizes only.
  friend bool operator==(const SecretBytes& a, const SecretBytes& b);

 private:
  void Free();

  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
  bool locked_ = false;
};

// Whether memory can be locked now; if not, an operator should know that keys may reach the swap
// space, and raise RLIMIT_MEMLOCK or turn swap off.
bool CanLockMemory();

}  // namespace belfry::seal
