#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/mounts/plugin_catalog.h"

namespace belfry::mounts {

// What a plugin may be called and registered as. Pure functions, thread-safe.

// A semantic version's order: its three numbers, and whether it is no pre-release.
struct PluginVersion {
  std::array<long, 3> numbers = {};
  bool release = true;
  std::string rest;
  auto operator<=>(const PluginVersion&) const = default;
};

// nullopt: not a "v1.2.3" with an optional "-rc1" or "+build". (semver.org 2.0.0)
std::optional<PluginVersion> ParsePluginVersion(std::string_view text);

// One that cannot lead out of a folder.
bool IsPluginName(std::string_view name);

// InvalidArgument, with the field and what to write instead, when a field of `entry` is wrong.
absl::Status CheckPluginEntry(const PluginEntry& entry);

}  // namespace belfry::mounts
