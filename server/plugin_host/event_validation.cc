#include "server/plugin_host/event_validation.h"

#include <algorithm>
#include <cmath>

#include "base/event_rules.h"
#include "base/ids.h"
#include "base/text.h"
#include "google/protobuf/struct.pb.h"

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

// Whether `name`, or its last word, may be in front of a type: plugins keep working when they are
// registered as "my-kv", or when their program is called "vault-plugin-secrets-kv".
bool MayBegin(std::string_view first, std::string_view name) {
  const std::string_view last_word = LastWord(name);
  return (!name.empty() && BeginsWithName(first, name)) ||
         (!last_word.empty() && BeginsWithName(first, last_word));
}

// The type's first part is the plugin's, as the path's is the mount's: what is named after another
// plugin, or the host, would be believed. (docs/decisions/0008)
absl::Status CheckOwner(const EventOrigin& origin, std::string_view type) {
  if (IsHostEventType(type)) return absl::PermissionDeniedError(ToAbsl(kHostEventTypeRefusal));
  const std::string_view first = type.substr(0, type.find('/'));
  const std::string_view plugin = origin.mount->plugin();
  if (!first.empty() && (MayBegin(first, plugin) || MayBegin(first, origin.program)))
    return absl::OkStatus();
  return absl::PermissionDeniedError(
      Concat({"an event's type begins with its plugin's name, as \"", plugin, "/…\" or \"", plugin,
              "-…/…\", with the name of its program, or with the last word of either, not with \"",
              first, "\""}));
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

std::size_t SizeOf(const Value& value) {
  return value.kind_case() == Value::kStringValue ? value.string_value().size()
                                                  : value.ByteSizeLong();
}

absl::Status PrefixPath(std::string_view mount_path, std::string_view key, Value& path) {
  if (path.kind_case() != Value::kStringValue) {
    return absl::InvalidArgumentError(Concat({"the event's ", key, " must be a text"}));
  }
  if (absl::Status status = CheckEventPath(key, path.string_value()); !status.ok()) return status;
  path.mutable_string_value()->insert(0, mount_path);
  return absl::OkStatus();
}

// Checks all values and puts the mount in front of those that are paths.
absl::Status AcceptMetadata(std::string_view mount_path, Struct& metadata) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : metadata.fields()) bytes += key.size() + SizeOf(value);
  absl::Status status = CheckEventSize(static_cast<std::size_t>(metadata.fields_size()), bytes);
  if (!status.ok()) return status;
  for (auto& [key, value] : *metadata.mutable_fields()) {
    status = CheckEntry(key, value);
    if (!status.ok()) return status;
    if (std::find(std::begin(kPathKeys), std::end(kPathKeys), key) == std::end(kPathKeys)) continue;
    status = PrefixPath(mount_path, key, value);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// No less than what an event of so many bytes has when the host has put in its part: an id, who the
// mount is, and the mount's path in front of two others.
std::size_t SizeWithMount(const logical::EventPluginInfo& mount, std::size_t sent_bytes) {
  constexpr std::size_t kIdAndLengths = 64;
  return sent_bytes + kIdAndLengths + mount.mount_class().size() + mount.mount_accessor().size() +
         3 * mount.mount_path().size() + mount.plugin().size() + mount.plugin_version().size() +
         mount.version().size();
}

bool Same(const logical::EventPluginInfo& a, const logical::EventPluginInfo& b) {
  return a.mount_class() == b.mount_class() && a.mount_accessor() == b.mount_accessor() &&
         a.mount_path() == b.mount_path() && a.plugin() == b.plugin() &&
         a.plugin_version() == b.plugin_version() && a.version() == b.version() &&
         a.is_local() == b.is_local();
}

absl::Status GiveIdentity(logical::EventPluginInfo* mount, logical::EventReceived* event) {
  if (event->has_plugin_info() && !Same(event->plugin_info(), *mount)) {
    return absl::PermissionDeniedError(
        "the event's plugin info is not that of its mount; leave it out, the host fills it in");
  }
  // There is only the root namespace, which has no name.
  const std::string& space = event->namespace_();
  if (!space.empty() && space != "root" && space != "/" && space != "root/") {
    return absl::PermissionDeniedError("the event claims a namespace that is not its mount's");
  }
  event->clear_namespace_();
  event->unsafe_arena_set_allocated_plugin_info(mount);
  if (event->event().id().empty()) event->mutable_event()->set_id(NewUuid());
  return absl::OkStatus();
}

}  // namespace

absl::Status AcceptEvent(const EventOrigin& origin, const Limits& limits, const SentEvent& sent) {
  logical::EventPluginInfo* const mount = origin.mount;
  logical::EventReceived& event = *sent.event;
  absl::Status status = CheckEventType(event.event_type());
  if (status.ok()) status = CheckOwner(origin, event.event_type());
  if (!status.ok()) return status;
  if (SizeWithMount(*mount, sent.bytes) > limits.max_event_bytes) {
    return absl::ResourceExhaustedError(
        Concat({"the event is larger than ", std::to_string(limits.max_event_bytes), " bytes"}));
  }
  status = GiveIdentity(mount, &event);
  if (!status.ok()) return status;
  if (!event.event().has_metadata()) return absl::OkStatus();
  return AcceptMetadata(mount->mount_path(), *event.mutable_event()->mutable_metadata());
}

}  // namespace belfry::plugin_host
