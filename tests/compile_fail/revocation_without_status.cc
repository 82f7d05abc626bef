// Whether a secret is gone is what the host must know: it tries again.
// EXPECT: a callback must take the arguments and return the type that its declaration
#include "belfry/engine.h"

void Define(belfry::Engine& engine) {
#ifdef MISUSE
  engine.Secret("room").OnRevoke([](belfry::Request&, const belfry::LeasedSecret&) {});
#else
  engine.Secret("room").OnRevoke(
      [](belfry::Request&, const belfry::LeasedSecret&) { return absl::OkStatus(); });
#endif
}
