// What stands inside a field converts to what a field can be.
// EXPECT: ConvertTo gives what a field can be
#include "belfry/request.h"

bool IsFew(const belfry::Json& value) {
#ifdef MISUSE
  const auto number = belfry::ConvertTo<unsigned>(value);
#else
  const auto number = belfry::ConvertTo<std::int64_t>(value);
#endif
  return number.ok() && *number < 3;
}
