#include "sdk/src/route_checks.h"

#include <algorithm>

#include "base/text.h"

namespace belfry::internal {
namespace {

bool SomeRouteMatches(const Routes& routes, std::string_view special) {
  const bool all = special.ends_with('*');
  if (all) special.remove_suffix(1);
  // A list may come with a slash that its route lacks.
  std::string_view bare = special;
  if (bare.ends_with('/')) bare.remove_suffix(1);
  return std::any_of(routes.begin(), routes.end(), [&](const auto& route) {
    return all ? route->MayBeginWith(special) : route->Match(special) || route->Match(bare);
  });
}

void CheckSpecial(std::string_view call, const std::vector<std::string>& paths,
                  const Routes& routes, std::vector<std::string>& mistakes) {
  for (const std::string& path : paths) {
    // Hosts take '+' for any segment, which no route says.
    if (path.find('+') != std::string::npos || SomeRouteMatches(routes, path)) continue;
    mistakes.push_back(
        Concat({call, " names \"", path, "\", which no path of this engine matches"}));
  }
}

}  // namespace

std::vector<std::string> MistakesAmong(const Routes& routes) {
  std::vector<std::string> mistakes;
  for (auto later = routes.begin(); later != routes.end(); ++later) {
    const auto hiding = std::find_if(routes.begin(), later,
                                     [&](const auto& earlier) { return earlier->Hides(**later); });
    if (hiding == later) continue;
    const bool twice = (*hiding)->pattern() == (*later)->pattern();
    mistakes.push_back(
        Concat({(*later)->title(), twice ? " is described already by " : " is never reached: ",
                (*hiding)->title(), twice ? "" : " matches all that it does"}));
  }
  return mistakes;
}

std::vector<std::string> MistakesOf(const SpecialPaths& special_paths, const Routes& routes) {
  std::vector<std::string> mistakes;
  CheckSpecial("RootOnly", special_paths.root, routes, mistakes);
  CheckSpecial("Unauthenticated", special_paths.unauthenticated, routes, mistakes);
  for (const std::string& path : special_paths.unauthenticated) {
    const auto& root = special_paths.root;
    if (std::find(root.begin(), root.end(), path) != root.end())
      mistakes.push_back(Concat({"RootOnly and Unauthenticated both name \"", path, "\""}));
  }
  return mistakes;
}

std::string NearestRoute(const Routes& routes, std::string_view path) {
  const auto nearest = std::max_element(
      routes.begin(), routes.end(),
      [path](const auto& one, const auto& other) { return one->Reach(path) < other->Reach(path); });
  if (nearest == routes.end()) return "";
  return Concat({(*nearest)->title(), ": ", (*nearest)->WhyNot(path)});
}

}  // namespace belfry::internal
