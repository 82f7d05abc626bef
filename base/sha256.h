#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace belfry {

// The SHA-256 of bytes that come in pieces. Not thread-safe.
class Sha256 {
 public:
  static constexpr std::size_t kBytes = 32;

  Sha256();

  void Update(std::string_view bytes);
  // The 32 bytes of it. Once, after the last piece.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace belfry
