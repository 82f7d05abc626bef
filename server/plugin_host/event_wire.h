#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belfry::plugin_host {

// Reads and writes a serialized logical.EventReceived without making messages of it: an event takes
// a quarter of the time. Pure functions, thread-safe. Nothing here says what an event may be, other
// than that protobuf can read it.

// One entry of an event's metadata. The views are of the event's bytes.
struct WireEntry {
  std::string_view field;                  // The whole entry, with its tag and length.
  std::string_view key;                    // UTF-8.
  std::string_view value;                  // The serialized google.protobuf.Value.
  std::optional<std::string_view> string;  // UTF-8; when the value is a string.
  bool is_path = false;                    // WriteEvent puts the mount in front of `string`.
};

// A serialized logical.EventReceived, taken apart. The views are of its bytes, or of others that
// live as long. What is absent is "", unless it says otherwise.
struct WireEvent {
  std::string_view type;        // UTF-8.
  std::string_view name_space;  // UTF-8.
  std::optional<std::string_view> plugin_info;
  std::string_view id;  // UTF-8.
  bool has_metadata = false;
  // In the order of the bytes; no more than kMaxEventMetadataEntries.
  std::vector<WireEntry> entries;
  std::size_t entry_count = 0;  // Of the event: without bound.
  std::string_view rest;        // Entity ids and note: fields of EventData.
  // Whether there are parts which ReadEvent does not look into: plugin info, values which are
  // neither strings nor scalars, entries beyond kMaxEventMetadataEntries or with the same key. Such
  // an event is only known to be one that protobuf can read if NormalizeEvent has written it.
  bool has_unread_parts = false;
};

// Takes apart an event of the shape in which serializers write it: known fields, in the order of
// their numbers, entries of a key and a value, lengths in as few bytes as possible. nullopt: it has
// another shape, which NormalizeEvent brings into this one, or cannot be read.
std::optional<WireEvent> ReadEvent(std::string_view wire);

// The same event in the shape that ReadEvent takes; nullopt when protobuf cannot read it: cut off,
// nested too deeply, strings that are not UTF-8. Fields that the messages do not have are left out,
// wherever they are: subscribers trust what an event says, and what it says with them has not been
// checked. Takes as long as parsing and serializing do.
std::optional<std::string> NormalizeEvent(std::string_view wire);

// Serializes the event with its id and entries, with `mount_path` in front of the paths among them,
// and with `plugin_info`, serialized, as its plugin info; without a namespace.
std::string WriteEvent(const WireEvent& event, std::string_view mount_path,
                       std::string_view plugin_info);

}  // namespace belfry::plugin_host
