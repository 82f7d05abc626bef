// A field has the type it was declared with.
// EXPECT: cannot convert .*string.*to .*int|no viable conversion from .*string.*to .*int
#include "belfry/engine.h"

void Define(belfry::Engine& engine) {
  belfry::Route& route = engine.Path("note", "");
  const auto text = route.Field<std::string>("text", "What to keep.");
  route.OnRead([text](belfry::Request& request) -> belfry::Result {
#ifdef MISUSE
    const int value = request[text];
#else
    const std::string& value = request[text];
#endif
    return belfry::Response::Data({{"text", value}});
  });
}
