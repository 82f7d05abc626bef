// Only a route makes field keys: one that is made up would name nothing.
// EXPECT: is private within this context|calling a private constructor
#include "belfry/engine.h"

belfry::FieldKey<bool> Key(belfry::Route& route) {
#ifdef MISUSE
  (void)route;
  return belfry::FieldKey<bool>(belfry::internal::FieldId{});
#else
  return route.Field<bool>("force", "");
#endif
}
