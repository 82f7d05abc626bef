#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry::http {

// Bounds what many hold together, in bytes: each through a lease that grows with what it has, so
// that nobody takes up room for what has only been announced. A lease that is alone may exceed the
// bound, so that whatever is allowed by itself is refused only because of others. Thread-safe; its
// leases keep it alive.
class ByteBudget final {
 public:
  // Gives back what it holds when it goes. One that was moved from, or made of nothing, holds
  // nothing and takes nothing more. Not thread-safe, but may be moved to another thread.
  class Lease {
   public:
    Lease() = default;
    explicit Lease(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}
    ~Lease() { Release(); }
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;

    // From now on it holds so many bytes, more or fewer than before. False: so many do not fit, and
    // it holds what it held.
    [[nodiscard]] bool Resize(std::size_t bytes);
    void Release();

   private:
    std::shared_ptr<ByteBudget> budget_;
    std::size_t bytes_ = 0;
  };

  explicit ByteBudget(std::size_t bytes) : bytes_(bytes) {}

  std::size_t used();

 private:
  bool Exchange(std::size_t old_bytes, std::size_t new_bytes);

  const std::size_t bytes_;
  Mutex mutex_;
  std::size_t used_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace belfry::http
