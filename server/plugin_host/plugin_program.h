#pragma once

#include <memory>
#include <string>

#include "server/mounts/plugin_catalog.h"

namespace belfry::plugin_host {

// What to start: a catalog entry, and where its program lies.
struct PluginProgram {
  mounts::PluginEntry entry;
  std::string path;
  std::string vault_version;  // What the plugin sees in VAULT_VERSION.
  // Shared by all mounts of it: while one is there, the pool knows how often it has crashed.
  std::shared_ptr<const void> record;
};

}  // namespace belfry::plugin_host
