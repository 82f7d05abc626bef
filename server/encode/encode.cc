#include "server/encode/encode.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <vector>

namespace belfry::encode {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr std::string_view kReplacement = "\\ufffd";

// The length of the UTF-8 sequence at the start of `text`, or 0 when it is none.
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continued = [&](std::size_t length) {
    if (text.size() < length) return false;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return false;
    }
    return true;
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continued(2) ? 2 : 0;
  if ((first & 0xf0) == 0xe0 && continued(3)) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4 && continued(4)) {
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool too_large = first == 0xf4 && byte(1) >= 0x90;
    return overlong || too_large ? 0 : 4;
  }
  return 0;
}

void AppendEscape(unsigned char c, std::string& out) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 0xf];
  }
}

bool Plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void AppendString(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const auto run = std::find_if_not(text.begin(), text.end(),
                                      [](char c) { return Plain(static_cast<unsigned char>(c)); });
    out.append(text.begin(), run);
    text.remove_prefix(run - text.begin());
    if (text.empty()) break;
    const std::size_t length = Utf8Length(text);
    if (length == 1) {
      AppendEscape(static_cast<unsigned char>(text[0]), out);
    } else if (length == 0) {
      out += kReplacement;
    } else if (text.starts_with("\u2028") || text.starts_with("\u2029")) {
      out += text[2] == '\xa8' ? "\\u2028" : "\\u2029";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out += '"';
}

// Go prints whole numbers without a fraction, and exponents only below 1e-6 and from 1e21 on, as
// ECMAScript does.
void AppendNumber(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const double magnitude = std::fabs(number);
  const bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  char buffer[400];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number,
                    exponent ? std::chars_format::scientific : std::chars_format::fixed)
          .ptr;
  std::string text(buffer, end);
  // e-09 → e-9
  if (const std::size_t at = text.find("e-0"); at != std::string::npos) text.erase(at + 2, 1);
  out += text;
}

void AppendValue(const google::protobuf::Value& value, std::string& out);

void AppendStruct(const google::protobuf::Struct& object, std::string& out) {
  std::vector<const std::string*> keys;
  keys.reserve(object.fields_size());
  for (const auto& field : object.fields()) keys.push_back(&field.first);
  std::sort(keys.begin(), keys.end(),
            [](const std::string* a, const std::string* b) { return *a < *b; });
  out += '{';
  for (const std::string* key : keys) {
    if (out.back() != '{') out += ',';
    AppendString(*key, out);
    out += ':';
    AppendValue(object.fields().at(*key), out);
  }
  out += '}';
}

void AppendValue(const google::protobuf::Value& value, std::string& out) {
  using google::protobuf::Value;
  switch (value.kind_case()) {
    case Value::kStringValue:
      return AppendString(value.string_value(), out);
    case Value::kBoolValue:
      out += value.bool_value() ? "true" : "false";
      return;
    case Value::kNumberValue:
      return AppendNumber(value.number_value(), out);
    case Value::kStructValue:
      return AppendStruct(value.struct_value(), out);
    case Value::kListValue:
      out += '[';
      for (const Value& element : value.list_value().values()) {
        if (out.back() != '[') out += ',';
        AppendValue(element, out);
      }
      out += ']';
      return;
    case Value::kNullValue:
    case Value::KIND_NOT_SET:
      out += "null";
      return;
  }
}

// One JSON object, member by member; members that Go would omit when empty go through the *IfAny
// calls.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  std::string& Key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void Text(std::string_view name, std::string_view value) { AppendString(value, Key(name)); }
  void TextIfAny(std::string_view name, std::string_view value) {
    if (!value.empty()) Text(name, value);
  }
  void End() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

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

// RFC 3339 in UTC with as many digits of the second as are not zero.
std::string Timestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

}  // namespace

std::string JsonString(std::string_view text) {
  std::string out;
  AppendString(text, out);
  return out;
}

std::string CloudEventJson(const logical::EventReceived& event, absl::Time accepted) {
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
  frame.Text("time", Timestamp(accepted));
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
