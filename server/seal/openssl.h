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

// Contexts that hold a key made ready, or other work already done, as many as are in use at once:
// to set a context up costs more than to encrypt a small value. OpenSSL wipes what it frees.
// Thread-safe.
template <typename Context, typename Pointer = OpenSslPtr<Context>>
class ContextPool {
 public:
  // A context for a scope.
  class Use {
   public:
    Use(ContextPool* pool, Pointer context) : pool_(pool), context_(std::move(context)) {}
    ~Use() {
      MutexLock lock(&pool_->mutex_);
      pool_->ready_.push_back(std::move(context_));
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    Context* get() const { return context_.get(); }

   private:
    ContextPool* const pool_;
    Pointer context_;
  };

  // `make` gives a context with its key.
  template <typename Make>
  Use Get(const Make& make) {
    {
      MutexLock lock(&mutex_);
      if (!ready_.empty()) {
        Pointer context = std::move(ready_.back());
        ready_.pop_back();
        return Use(this, std::move(context));
      }
    }
    return Use(this, make());
  }

 private:
  Mutex mutex_;
  std::vector<Pointer> ready_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::seal
