#pragma once

#include <string>

#include "absl/time/time.h"

namespace belfry::http {

// The value of a Date header: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7). The second that a
// thread asks for again costs nothing. Thread-safe.
std::string HttpDate(absl::Time time);

}  // namespace belfry::http
