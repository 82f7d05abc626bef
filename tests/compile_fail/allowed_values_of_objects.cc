// Only what can be enumerated has allowed values.
// EXPECT: AllowedValues is for fields of strings, integers and lists of them
#include "belfry/engine.h"

void Define(belfry::Engine& engine) {
  belfry::Route& route = engine.Path("key", "");
#ifdef MISUSE
  route.AllowedValues(route.Field<bool>("kind", ""), {true});
#else
  route.AllowedValues(route.Field<std::string>("kind", ""), {"aes", "rsa"});
#endif
}
