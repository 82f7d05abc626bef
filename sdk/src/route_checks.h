#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/src/engine_instance.h"
#include "sdk/src/route.h"

namespace belfry::internal {

// What the routes of one engine say together. Pure functions, thread-safe.

// In the order of their description; of two that match the first wins.
using Routes = std::vector<std::unique_ptr<RouteImpl>>;

// A sentence for each route that is never reached, with the one that hides it.
std::vector<std::string> MistakesAmong(const Routes& routes);
// A sentence for each special path that no route can match: it protects nothing, or opens nothing.
std::vector<std::string> MistakesOf(const SpecialPaths& special_paths, const Routes& routes);

// For a path that no route matches: which one is nearest, and why it does not match. Empty when
// there are no routes.
std::string NearestRoute(const Routes& routes, std::string_view path);

}  // namespace belfry::internal
