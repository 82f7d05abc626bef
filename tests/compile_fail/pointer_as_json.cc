// A pointer would become a bool, and is a mistake.
// EXPECT: could not convert .*to .*Json|no viable conversion .*to .*Json
#include "belfry/json.h"

belfry::Json Value(const int* number) {
#ifdef MISUSE
  return number;
#else
  return *number;
#endif
}
