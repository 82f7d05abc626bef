// A handler runs on several threads at once, so that it may not change what it captured by value.
// EXPECT: a callback is called by several threads at once, so it must be const: remove .mutable
#include "belfry/engine.h"

void Define(belfry::Engine& engine) {
  int reads = 0;
#ifdef MISUSE
  engine.Path("count", "").OnRead([reads](belfry::Request&) mutable -> belfry::Result {
    return belfry::Response::Data({{"reads", ++reads}});
  });
#else
  engine.Path("count", "").OnRead([reads](belfry::Request&) -> belfry::Result {
    return belfry::Response::Data({{"reads", reads}});
  });
#endif
}
