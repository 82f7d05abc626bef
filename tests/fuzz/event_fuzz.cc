// A batch of events as a plugin sends it, a serialized belfry.v1.PublishRequest: what the host
// accepts of it, and what subscribers then get. (plugin-protocol 5.10, 6.5)

#include <string>

#include "base/event_rules.h"
#include "belfry/json.h"
#include "proto/belfry/v1/event_producer.pb.h"
#include "server/encode/encode.h"
#include "server/plugin_host/event_batch.h"
#include "server/plugin_host/event_validation.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::plugin_host {
namespace {

constexpr std::string_view kMount = "secret/";

logical::EventPluginInfo Mount() {
  logical::EventPluginInfo mount;
  mount.set_mount_class("secret");
  mount.set_mount_accessor("kv_957bb7d8");
  mount.set_mount_path(std::string(kMount));
  mount.set_plugin("kv");
  return mount;
}

// Small, so that short inputs reach them.
Limits SmallLimits() {
  Limits limits;
  limits.max_event_bytes = 1024;
  return limits;
}

void ExamineRefusal(const absl::Status& status) {
  BELFRY_CLAIM(status.code() == absl::StatusCode::kInvalidArgument ||
               status.code() == absl::StatusCode::kResourceExhausted ||
               status.code() == absl::StatusCode::kPermissionDenied);
  BELFRY_CLAIM(!status.message().empty());
}

// Nothing in it can be taken for another mount's.
void ExamineIdentity(const logical::EventReceived& event) {
  BELFRY_CLAIM(event.plugin_info().SerializeAsString() == Mount().SerializeAsString());
  BELFRY_CLAIM(event.namespace_().empty());
  BELFRY_CLAIM(!event.event().id().empty() && CheckEventId(event.event().id()).ok());
  for (const char* key : {"path", "data_path"}) {
    const auto found = event.event().metadata().fields().find(key);
    if (found == event.event().metadata().fields().end()) continue;
    const std::string& path = found->second.string_value();
    BELFRY_CLAIM(path.starts_with(kMount));
    BELFRY_CLAIM(CheckEventPath(key, path).ok());
  }
}

void ExamineLimits(const logical::EventReceived& event, const Limits& limits) {
  // The fuzzed mount's plugin is kv.
  BELFRY_CLAIM(event.event_type().starts_with("kv"));
  BELFRY_CLAIM(event.event_type().size() <= kMaxEventTypeBytes);
  BELFRY_CLAIM(event.ByteSizeLong() <= limits.max_event_bytes);
}

// What the host finds an event by is what subscribers read in it.
void ExamineAccepted(const storage::AcceptedEvent& accepted, const logical::EventReceived& event) {
  BELFRY_CLAIM(accepted.type == event.event_type());
  BELFRY_CLAIM(accepted.mount == kMount && accepted.name_space.empty());
  const auto& fields = event.event().metadata().fields();
  const auto path = fields.find("path");
  BELFRY_CLAIM(accepted.path == (path == fields.end() ? "" : path->second.string_value()));
}

// Both formats can be read, and say the same.
void ExamineFrames(const storage::AcceptedEvent& accepted, const logical::EventReceived& event) {
  const std::string frame = encode::Encode(encode::Format::kCloudEventsJson, accepted);
  BELFRY_CLAIM(frame.ends_with('\n') && frame.find('\n') + 1 == frame.size());
  const absl::StatusOr<Json> json = Json::Parse(frame);
  BELFRY_CLAIM(json.ok());
  const Json* data = json->Find("data");
  BELFRY_CLAIM(data != nullptr && data->Find("event_type") != nullptr);
  BELFRY_CLAIM(*data->Find("event_type")->if_string() == event.event_type());
  logical::EventReceived read;
  BELFRY_CLAIM(read.ParseFromString(encode::Encode(encode::Format::kProtobuf, accepted)));
  BELFRY_CLAIM(read.event().metadata().fields_size() == event.event().metadata().fields_size());
}

// One event, as the plugin sent it. What protobuf cannot read is refused, for that; what is
// accepted, protobuf can read.
void ExamineEvent(const EventOrigin& origin, const Limits& limits, std::string_view wire) {
  logical::EventReceived event;
  const bool readable = event.ParseFromArray(wire.data(), static_cast<int>(wire.size()));
  const auto accepted = AcceptEvent(origin, limits, wire, absl::UnixEpoch());
  const bool unreadable =
      accepted.status() == absl::InvalidArgumentError("the event cannot be read");
  BELFRY_CLAIM(unreadable == !readable);
  if (!accepted.ok()) return ExamineRefusal(accepted.status());
  BELFRY_CLAIM(event.ParseFromString(accepted->bytes));
  ExamineIdentity(event);
  ExamineLimits(event, limits);
  ExamineAccepted(*accepted, event);
  ExamineFrames(*accepted, event);
}

}  // namespace
}  // namespace belfry::plugin_host

void belfry::fuzz::Examine(std::string_view input) {
  static const Limits limits = plugin_host::SmallLimits();
  static const plugin_host::EventOrigin origin(plugin_host::Mount(), "");
  const auto batch = plugin_host::ParseEventBatch(input, limits);
  v1::PublishRequest request;
  if (request.ParseFromArray(input.data(), static_cast<int>(input.size()))) {
    BELFRY_CLAIM(batch.ok() || absl::IsResourceExhausted(batch.status()));
    BELFRY_CLAIM(!batch.ok() || batch->number == request.batch());
    BELFRY_CLAIM(!batch.ok() || static_cast<int>(batch->events.size()) == request.events_size());
  }
  if (!batch.ok()) return plugin_host::ExamineRefusal(batch.status());
  for (const std::string_view event : batch->events)
    plugin_host::ExamineEvent(origin, limits, event);
}
