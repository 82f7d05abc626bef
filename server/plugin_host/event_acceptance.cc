#include "server/plugin_host/event_acceptance.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "google/protobuf/struct.pb.h"
#include "server/base/ids.h"
#include "server/base/text.h"

namespace belfry::plugin_host {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// The metadata whose values are paths below the mount.
constexpr std::string_view kPathKeys[] = {"path", "data_path"};

absl::Status CheckType(std::string_view type, const Limits& limits) {
  if (type.empty()) return absl::InvalidArgumentError("the event has no type");
  if (type.size() > limits.max_event_type_bytes) {
    return absl::ResourceExhaustedError(
        Concat({"the event's type is longer than ", std::to_string(limits.max_event_type_bytes),
                " bytes"}));
  }
  // Subscribers write types into URLs, where '*' stands for anything.
  const bool visible =
      std::all_of(type.begin(), type.end(), [](char c) { return c > ' ' && c < 0x7f && c != '*'; });
  if (visible) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the event's type may only hold visible ASCII characters other than '*'");
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
  if (key.empty()) return absl::InvalidArgumentError("a metadata key of the event is empty");
  return CheckValue(value);
}

// As deep as a message may nest, which the parser of messages has limited.
absl::Status CheckStruct(const Struct& object) {
  for (const auto& [key, value] : object.fields()) {
    if (absl::Status status = CheckEntry(key, value); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Whether there is nothing to clean: no empty, "." or ".." part, thus no '/' at either end.
bool IsClean(std::string_view path) {
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::size_t length = end - begin;
    if (length == 0 ||
        (path[begin] == '.' && (length == 1 || (length == 2 && path[begin + 1] == '.')))) {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

bool IsInMount(std::string_view mount_path, std::string_view path) {
  if (mount_path.ends_with('/')) mount_path.remove_suffix(1);
  return path == mount_path ||
         (path.starts_with(mount_path) && path.substr(mount_path.size()).starts_with('/'));
}

absl::Status PrefixPath(std::string_view mount_path, std::string_view key, Value& path) {
  if (path.kind_case() != Value::kStringValue) {
    return absl::InvalidArgumentError(Concat({"the event's ", key, " must be a text"}));
  }
  if (IsClean(path.string_value()) && mount_path.ends_with('/')) {
    path.mutable_string_value()->insert(0, mount_path);
    return absl::OkStatus();
  }
  std::string joined = JoinPath(mount_path, path.string_value());
  if (!IsInMount(mount_path, joined)) {
    return absl::PermissionDeniedError(Concat({"the event's ", key, " leaves its mount"}));
  }
  path.set_string_value(std::move(joined));
  return absl::OkStatus();
}

// Checks all values and puts the mount in front of those that are paths.
absl::Status AcceptMetadata(std::string_view mount_path, const Limits& limits, Struct& metadata) {
  if (static_cast<std::size_t>(metadata.fields_size()) > limits.max_event_metadata_entries) {
    return absl::ResourceExhaustedError(
        Concat({"the event has more than ", std::to_string(limits.max_event_metadata_entries),
                " metadata entries"}));
  }
  for (auto& [key, value] : *metadata.mutable_fields()) {
    if (absl::Status status = CheckEntry(key, value); !status.ok()) return status;
    if (std::find(std::begin(kPathKeys), std::end(kPathKeys), key) == std::end(kPathKeys)) continue;
    if (absl::Status status = PrefixPath(mount_path, key, value); !status.ok()) return status;
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

absl::Status AcceptEvent(logical::EventPluginInfo* mount, const Limits& limits,
                         const SentEvent& sent) {
  logical::EventReceived& event = *sent.event;
  absl::Status status = CheckType(event.event_type(), limits);
  if (!status.ok()) return status;
  if (SizeWithMount(*mount, sent.bytes) > limits.max_event_bytes) {
    return absl::ResourceExhaustedError(
        Concat({"the event is larger than ", std::to_string(limits.max_event_bytes), " bytes"}));
  }
  status = GiveIdentity(mount, &event);
  if (!status.ok()) return status;
  if (!event.event().has_metadata()) return absl::OkStatus();
  return AcceptMetadata(mount->mount_path(), limits, *event.mutable_event()->mutable_metadata());
}

std::string JoinPath(std::string_view mount_path, std::string_view path) {
  const std::string whole = Concat({mount_path, "/", path});
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= whole.size();) {
    const std::size_t end = std::min(whole.find('/', begin), whole.size());
    const std::string_view part(whole.data() + begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != ".." || parts.empty() || parts.back() == "..") {
      parts.push_back(part);
    } else {
      parts.pop_back();
    }
  }
  std::string joined;
  for (const std::string_view part : parts) {
    if (!joined.empty()) joined += '/';
    joined += part;
  }
  return joined;
}

}  // namespace belfry::plugin_host
