// Hooks are called by several threads, too.
// EXPECT: a callback is called by several threads at once, so it must be const: remove .mutable
#include "belfry/engine.h"

void Define(belfry::Engine& engine) {
  int runs = 0;
#ifdef MISUSE
  engine.Every(absl::Hours(1), [runs](belfry::HookContext&) mutable {
    ++runs;
    return absl::OkStatus();
  });
#else
  engine.Every(absl::Hours(1), [runs](belfry::HookContext& context) {
    return context.storage.Put("runs", std::to_string(runs));
  });
#endif
}
