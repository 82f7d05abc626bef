#pragma once

#include <exception>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"

namespace belfry::internal {

// The InternalError of an exception that the author's code let go: "<what> threw an exception: …".
// Only within a catch block. Thread-safe.
absl::Status StatusOfException(std::string_view what);
// Whether a status is one of those.
bool IsException(const absl::Status& status);

// What `work` returns, a status or StatusOr, or the status of the exception that leaves it. `what`
// names the author's code: "a handler".
template <typename Work>
std::invoke_result_t<Work&> Guarded(std::string_view what, Work&& work) {
  try {
    return work();
  } catch (...) {
    return StatusOfException(what);
  }
}

}  // namespace belfry::internal
