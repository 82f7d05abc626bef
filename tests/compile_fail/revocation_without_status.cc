// Whether a secret is gone is what the host must know: it tries again.
// EXPECT: cannot convert .*to .*RevokeHandler|no viable conversion.*to .*RevokeHandler
#include "belfry/engine.h"

void Define(belfry::SecretsEngine& engine) {
#ifdef MISUSE
  engine.Secret("room").OnRevoke([](belfry::Request&, const belfry::LentSecret&) {});
#else
  engine.Secret("room").OnRevoke(
      [](belfry::Request&, const belfry::LentSecret&) { return absl::OkStatus(); });
#endif
}
