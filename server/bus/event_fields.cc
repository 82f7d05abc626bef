#include "server/bus/event_fields.h"

#include <string>

namespace belfry::bus {

std::string_view MetadataText(const logical::EventReceived& event, std::string_view key) {
  const auto& fields = event.event().metadata().fields();
  const auto found = fields.find(std::string(key));
  if (found == fields.end()) return "";
  return found->second.string_value();  // "" for every other kind.
}

EventFields FieldsOf(const logical::EventReceived& event) {
  return {.event_type = event.event_type(),
          .operation = MetadataText(event, "operation"),
          .source_plugin_mount = event.plugin_info().mount_path(),
          .data_path = MetadataText(event, "data_path"),
          .name_space = event.namespace_(),
          .source_plugin_is_local = event.plugin_info().is_local()};
}

}  // namespace belfry::bus
