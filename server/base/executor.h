#pragma once

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"

namespace belfry {

// Runs work that may block, so that threads which serve connections never do. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` soon, on another thread, in no promised order.
  virtual void Post(absl::AnyInvocable<void()> work) = 0;
};

// A fixed number of threads. Destroying it runs what was posted and waits for it.
std::unique_ptr<Executor> NewThreadPool(std::size_t threads);

}  // namespace belfry
