// A default has the type of its field.
// EXPECT: invalid conversion from .*const char|no matching member function for call to .Default
#include "belfry/engine.h"

void Define(belfry::Engine& engine) {
  belfry::Route& route = engine.Path("note", "");
  const auto copies = route.Field<std::int64_t>("copies", "How many.");
#ifdef MISUSE
  route.Default(copies, "many");
#else
  route.Default(copies, 1);
#endif
}
