// Fields have the types that values of requests convert to.
// EXPECT: a field is a std::string, std::int64_t, double
#include "belfry/engine.h"

void Define(belfry::Engine& engine) {
  belfry::Route& route = engine.Path("note", "");
#ifdef MISUSE
  const auto copies = route.Field<int>("copies", "How many.");
#else
  const auto copies = route.Field<std::int64_t>("copies", "How many.");
#endif
  route.OnRead([copies](belfry::Request& request) -> belfry::Result {
    return belfry::Response::Data({{"copies", request[copies]}});
  });
}
