#include "server/plugin_host/event_validation.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/event_rules.h"
#include "base/ids.h"
#include "base/text.h"
#include "google/protobuf/struct.pb.h"
#include "server/plugin_host/event_wire.h"

namespace belfry::plugin_host {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// The metadata whose values are paths below the mount.
constexpr std::string_view kPathKeys[] = {"path", "data_path"};

// Whether a type's first part is `name`, or `name` and more behind a '-': "kv", "kv-v2".
bool BeginsWithName(std::string_view first, std::string_view name) {
  return first.starts_with(name) && (first.size() == name.size() || first[name.size()] == '-');
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// "v0", "26", "2"
bool IsVersion(std::string_view word) {
  if (word.starts_with('v')) word.remove_prefix(1);
  return !word.empty() && std::all_of(word.begin(), word.end(), IsDigit);
}

// The last word that is not of a version: "kv" of "my-kv" and of "vault-plugin-secrets-kv_v0.26.2".
std::string_view LastWord(std::string_view name) {
  for (;;) {
    const std::size_t separator = name.find_last_of("-_.");
    const std::string_view word = name.substr(separator + 1);
    if (separator == name.npos || !IsVersion(word)) return word;
    name = name.substr(0, separator);
  }
}

// Those that may begin a type: plugins keep working when they are registered as "my-kv", or when
// their program is called "vault-plugin-secrets-kv".
std::vector<std::string> NamesOf(std::string_view plugin, std::string_view program) {
  std::vector<std::string> names;
  for (const std::string_view name : {plugin, LastWord(plugin), program, LastWord(program)}) {
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

// No less than what the host adds to an event: an id, who the mount is, and the mount's path in
// front of two others.
std::size_t MaxAddedBytes(const logical::EventPluginInfo& mount) {
  constexpr std::size_t kIdAndLengths = 64;
  return kIdAndLengths + mount.mount_class().size() + mount.mount_accessor().size() +
         3 * mount.mount_path().size() + mount.plugin().size() + mount.plugin_version().size() +
         mount.version().size();
}

// The type's first part is the plugin's, as the path's is the mount's: what is named after another
// plugin, or the host, would be believed. (docs/decisions/0008)
absl::Status CheckOwner(const EventOrigin& origin, std::string_view type) {
  if (IsHostEventType(type)) return absl::PermissionDeniedError(ToAbsl(kHostEventTypeRefusal));
  const std::string_view first = type.substr(0, type.find('/'));
  if (origin.MayBegin(first)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      Concat({"an event's type begins with its plugin's name, as \"", origin.plugin(), "/…\" or \"",
              origin.plugin(),
              "-…/…\", with the name of its program, or with the last word of either, not with \"",
              first, "\""}));
}

absl::Status CheckIdentity(const EventOrigin& origin, const WireEvent& event) {
  // Both as protobuf writes them, which is the same for the same info.
  if (event.plugin_info && *event.plugin_info != origin.plugin_info()) {
    return absl::PermissionDeniedError(
        "the event's plugin info is not that of its mount; leave it out, the host fills it in");
  }
  // There is only the root namespace, which has no name.
  const std::string_view space = event.name_space;
  if (!space.empty() && space != "root" && space != "/" && space != "root/") {
    return absl::PermissionDeniedError("the event claims a namespace that is not its mount's");
  }
  return absl::OkStatus();
}

absl::Status CheckStruct(const Struct& object);

// Whether there is JSON for it.
absl::Status CheckValue(const Value& value) {
  switch (value.kind_case()) {
    case Value::KIND_NOT_SET:
      return absl::InvalidArgumentError("a metadata value of the event is missing");
    case Value::kNumberValue:
      if (std::isfinite(value.number_value())) return absl::OkStatus();
      return absl::InvalidArgumentError("a metadata number of the event is not finite");
    case Value::kStructValue:
      return CheckStruct(value.struct_value());
    case Value::kListValue:
      for (const Value& element : value.list_value().values()) {
        if (absl::Status status = CheckValue(element); !status.ok()) return status;
      }
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

absl::Status CheckEntry(std::string_view key, const Value& value) {
  if (absl::Status status = CheckEventKey(key); !status.ok()) return status;
  return CheckValue(value);
}

// As deep as a message may nest, which the parser of messages has limited.
absl::Status CheckStruct(const Struct& object) {
  for (const auto& [key, value] : object.fields()) {
    if (absl::Status status = CheckEntry(key, value); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Unreadable() {
  return absl::InvalidArgumentError("the event cannot be read");
}

absl::Status CheckEntry(const WireEntry& entry) {
  if (entry.string) return CheckEventKey(entry.key);
  Value value;
  if (!value.ParseFromArray(entry.value.data(), static_cast<int>(entry.value.size())))
    return Unreadable();
  return CheckEntry(entry.key, value);
}

absl::Status CheckPath(const WireEntry& entry) {
  if (entry.string) return CheckEventPath(entry.key, *entry.string);
  return absl::InvalidArgumentError(Concat({"the event's ", entry.key, " must be a text"}));
}

// Checks all values and marks those that are paths.
absl::Status CheckMetadata(WireEvent& event) {
  std::size_t bytes = 0;
  for (const WireEntry& entry : event.entries)
    bytes += entry.key.size() + entry.string.value_or(entry.value).size();
  absl::Status status = CheckEventSize(event.entry_count, bytes);
  if (!status.ok()) return status;
  for (WireEntry& entry : event.entries) {
    status = CheckEntry(entry);
    if (!status.ok()) return status;
    entry.is_path =
        std::find(std::begin(kPathKeys), std::end(kPathKeys), entry.key) != std::end(kPathKeys);
    if (!entry.is_path) continue;
    status = CheckPath(entry);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckEvent(const EventOrigin& origin, const Limits& limits, std::size_t sent_bytes,
                        WireEvent& event) {
  absl::Status status = CheckEventType(event.type);
  if (status.ok()) status = CheckOwner(origin, event.type);
  if (status.ok()) status = CheckEventId(event.id);
  if (!status.ok()) return status;
  if (origin.MaxBytes(sent_bytes) > limits.max_event_bytes) {
    return absl::ResourceExhaustedError(
        Concat({"the event is larger than ", std::to_string(limits.max_event_bytes), " bytes"}));
  }
  status = CheckIdentity(origin, event);
  if (!status.ok()) return status;
  return CheckMetadata(event);
}

std::string PathOf(const EventOrigin& origin, const WireEvent& event) {
  for (const WireEntry& entry : event.entries) {
    if (entry.key == kPathKeys[0]) return Concat({origin.mount_path(), *entry.string});
  }
  return "";
}

// Of an event that has been checked.
storage::AcceptedEvent ToAccepted(const EventOrigin& origin, WireEvent& event,
                                  absl::Time accepted) {
  std::string id;
  if (event.id.empty()) {
    id = NewUuid();
    event.id = id;
  }
  return {.accepted = accepted,
          .bytes = WriteEvent(event, origin.mount_path(), origin.plugin_info()),
          .type = std::string(event.type),
          .path = PathOf(origin, event),
          .mount = origin.mount_path(),
          .name_space = ""};
}

}  // namespace

EventOrigin::EventOrigin(const logical::EventPluginInfo& mount, std::string_view program)
    : plugin_info_(mount.SerializeAsString()),
      mount_path_(mount.mount_path()),
      plugin_(mount.plugin()),
      names_(NamesOf(mount.plugin(), program)),
      max_added_bytes_(MaxAddedBytes(mount)) {}

bool EventOrigin::MayBegin(std::string_view first_part) const {
  return std::any_of(names_.begin(), names_.end(), [first_part](const std::string& name) {
    return BeginsWithName(first_part, name);
  });
}

absl::StatusOr<storage::AcceptedEvent> AcceptEvent(const EventOrigin& origin, const Limits& limits,
                                                   std::string_view wire, absl::Time accepted) {
  std::optional<std::string> normalized;  // What `event` has views of, when it is not `wire`.
  std::optional<WireEvent> event = ReadEvent(wire);
  if (!event || event->has_unread_parts) {
    normalized = NormalizeEvent(wire);
    event = normalized ? ReadEvent(*normalized) : std::nullopt;
  }
  if (!event) return Unreadable();
  // Protobuf may write more than it has read: a negative enum, for one, in ten bytes.
  const std::size_t bytes = std::max(wire.size(), normalized ? normalized->size() : 0);
  if (absl::Status status = CheckEvent(origin, limits, bytes, *event); !status.ok()) return status;
  return ToAccepted(origin, *event, accepted);
}

}  // namespace belfry::plugin_host
