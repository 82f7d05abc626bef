#include "server/access/capability.h"

#include <algorithm>

namespace belfry::access {
namespace {

constexpr std::string_view kNames[] = {"deny", "create", "read",  "update",    "delete",
                                       "list", "sudo",   "patch", "subscribe", "recover"};

}  // namespace

std::string_view NameOf(Capability capability) {
  return kNames[static_cast<int>(capability)];
}

std::optional<Capability> CapabilityNamed(std::string_view name) {
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<Capability>(found - std::begin(kNames));
}

std::vector<std::string> CapabilitySet::Names() const {
  std::vector<std::string> names;
  for (const std::string_view name : kNames) {
    if (Has(*CapabilityNamed(name))) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace belfry::access
