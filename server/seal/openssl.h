#pragma once

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry::seal {

struct FreeOpenSsl {
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
template <typename T>
using OpenSslPtr = std::unique_ptr<T, FreeOpenSsl>;

inline const unsigned char* AsBytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* AsBytes(char* text) {
  return reinterpret_cast<unsigned char*>(text);
}

// OpenSSL fails where it is used here only without memory or without its default provider: nothing
// can be encrypted then, and the process ends.
inline void DemandOpenSsl(bool works) {
  if (works) return;
  std::fputs("belfry: the cryptographic library does not work\n", stderr);
  std::abort();
}

// Objects that cost more to set up than to use, such as contexts that hold a key made ready: as
// many as are in use at once. Thread-safe.
template <typename Pointer>
class Pool {
 public:
  // An object for a scope.
  class Use {
   public:
    Use(Pool* pool, Pointer object) : pool_(pool), object_(std::move(object)) {}
    ~Use() {
      MutexLock lock(&pool_->mutex_);
      pool_->ready_.push_back(std::move(object_));
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    auto* get() const { return object_.get(); }

   private:
    Pool* const pool_;
    Pointer object_;
  };

  // `make` gives one that is set up.
  template <typename Make>
  Use Get(const Make& make) {
    {
      MutexLock lock(&mutex_);
      if (!ready_.empty()) {
        Pointer object = std::move(ready_.back());
        ready_.pop_back();
        return Use(this, std::move(object));
      }
    }
    return Use(this, make());
  }

 private:
  Mutex mutex_;
  std::vector<Pointer> ready_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::seal
