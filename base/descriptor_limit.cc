#include "base/descriptor_limit.h"

#include <sys/resource.h>

#include <atomic>

namespace belfry {
namespace {

// Of the process, as the limit itself.
std::atomic<std::size_t> inherited = 0;

}  // namespace

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  const auto before = static_cast<std::size_t>(limit.rlim_cur);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) inherited = before;
}

std::size_t InheritedDescriptorLimit() {
  return inherited;
}

}  // namespace belfry
