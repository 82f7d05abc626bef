// A handler answers with a Result.
// EXPECT: a callback must take the arguments and return the type that its declaration
#include "belfry/engine.h"

void Define(belfry::Engine& engine) {
#ifdef MISUSE
  engine.Path("count", "").OnRead([](belfry::Request&) { return 7; });
#else
  engine.Path("count", "").OnRead([](belfry::Request&) -> belfry::Result {
    return belfry::Response::Data({{"count", 7}});
  });
#endif
}
