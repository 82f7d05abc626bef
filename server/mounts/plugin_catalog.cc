#include "server/mounts/plugin_catalog.h"

namespace belfry::mounts {

std::string_view PluginTypeName(PluginType type) {
  switch (type) {
    case PluginType::kAuth:
      return "auth";
    case PluginType::kDatabase:
      return "database";
    case PluginType::kSecret:
      break;
  }
  return "secret";
}

std::optional<PluginType> PluginTypeNamed(std::string_view name) {
  for (const PluginType type : {PluginType::kAuth, PluginType::kDatabase, PluginType::kSecret}) {
    if (PluginTypeName(type) == name) return type;
  }
  return std::nullopt;
}

}  // namespace belfry::mounts
