#pragma once

#include <string_view>

#include "proto/vault/event.pb.h"

namespace belfry::bus {

// The metadata value `key` of an event, or "" when it is absent or no text. The view lives as long
// as the event.
std::string_view MetadataText(const logical::EventReceived& event, std::string_view key);

// What a filter can ask of an event. The views live as long as the event.
struct EventFields {
  std::string_view event_type;
  std::string_view operation;
  std::string_view source_plugin_mount;  // With its trailing slash.
  std::string_view data_path;            // With the mount.
  std::string_view name_space;           // With a trailing slash; the root's is "".
  bool source_plugin_is_local = false;
};

EventFields FieldsOf(const logical::EventReceived& event);

}  // namespace belfry::bus
