#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sdk/src/route.h"

namespace belfry::internal {

// What `path-help` shows, for people. Pure functions, thread-safe.

// One path: what it is, its fields, what it can do.
std::string HelpOfPath(const RouteImpl& route, std::string_view path);
// The engine: what it is, and its paths.
std::string HelpOfEngine(const std::vector<const RouteImpl*>& routes, std::string_view description);

}  // namespace belfry::internal
