#include "base/large_allocations.h"

#include <malloc.h>

namespace belfry {

void MapLargeAllocations() {
  (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

}  // namespace belfry
