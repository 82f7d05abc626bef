#include "server/encode/encode.h"

#include "server/encode/json_writer.h"

namespace belfry::encode {
namespace {

void AppendEventData(const logical::EventData& event, std::string& out) {
  ObjectWriter object(out);
  object.TextIfAny("id", event.id());
  if (event.has_metadata()) AppendStruct(event.metadata(), object.Key("metadata"));
  if (event.entity_ids_size() > 0) {
    std::string& list = object.Key("entity_ids");
    list += '[';
    for (int i = 0; i < event.entity_ids_size(); ++i) {
      if (i > 0) list += ',';
      AppendString(event.entity_ids(i), list);
    }
    list += ']';
  }
  object.TextIfAny("note", event.note());
  object.End();
}

void AppendPluginInfo(const logical::EventPluginInfo& info, std::string& out) {
  ObjectWriter object(out);
  object.TextIfAny("mount_class", info.mount_class());
  object.TextIfAny("mount_accessor", info.mount_accessor());
  object.TextIfAny("mount_path", info.mount_path());
  object.TextIfAny("plugin", info.plugin());
  object.TextIfAny("plugin_version", info.plugin_version());
  object.TextIfAny("version", info.version());
  if (info.is_local()) object.Key("is_local") += "true";
  object.End();
}

}  // namespace

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

std::string JsonString(std::string_view text) {
  std::string out;
  AppendString(text, out);
  return out;
}

std::string CloudEventJson(const logical::EventReceived& event, absl::Time accepted,
                           const Place* place) {
  std::string out;
  out.reserve(768);
  ObjectWriter frame(out);
  frame.Text("id", event.event().id());
  frame.Text("source", "https://vaultproject.io/");
  frame.Text("specversion", "1.0");
  frame.Text("type", "*");
  ObjectWriter data(frame.Key("data"));
  if (event.has_event()) AppendEventData(event.event(), data.Key("event"));
  data.TextIfAny("namespace", event.namespace_());
  data.TextIfAny("event_type", event.event_type());
  if (event.has_plugin_info()) AppendPluginInfo(event.plugin_info(), data.Key("plugin_info"));
  data.End();
  frame.Text("datacontentype", "application/cloudevents");
  frame.Text("time", Rfc3339(accepted));
  if (place != nullptr) {
    frame.Text("cursor", place->cursor);
    frame.Text("sequence", place->sequence);
  }
  frame.End();
  out += '\n';
  return out;
}

std::string Encode(Format format, const storage::AcceptedEvent& event) {
  switch (format) {
    case Format::kProtobuf:
      return event.bytes;
    case Format::kCloudEventsJson: {
      logical::EventReceived message;
      // What was accepted can be read.
      (void)message.ParseFromString(event.bytes);
      return CloudEventJson(message, event.accepted);
    }
  }
  return "";
}

}  // namespace belfry::encode
