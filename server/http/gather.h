#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace belfry::http {

// Collects the pieces of what is being sent for one Transport::WriteSome, without those bytes at
// the front that have been sent. The pieces must outlive it.
template <std::size_t kCapacity>
class Gather {
 public:
  // `skip`: how many bytes at the front have been sent.
  explicit Gather(std::size_t skip) : skip_(skip) {}

  void Add(std::string_view bytes) {
    if (skip_ >= bytes.size()) {
      skip_ -= bytes.size();
      return;
    }
    bytes.remove_prefix(skip_);
    skip_ = 0;
    pieces_[count_++] = {const_cast<char*>(bytes.data()), bytes.size()};
  }

  std::span<const iovec> pieces() const { return {pieces_.data(), count_}; }

 private:
  std::size_t skip_;
  std::size_t count_ = 0;
  std::array<iovec, kCapacity> pieces_;
};

}  // namespace belfry::http
