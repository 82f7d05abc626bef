#pragma once

#include <string>

#include "server/mounts/plugin_catalog.h"

namespace belfry::plugin_host {

// What to start: a catalog entry, and where its program lies.
struct PluginProgram {
  mounts::PluginEntry entry;
  std::string path;
  std::string vault_version;  // What the plugin sees in VAULT_VERSION.
};

}  // namespace belfry::plugin_host
