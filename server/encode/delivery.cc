#include "server/encode/delivery.h"

#include <cstdint>
#include <string_view>

#include "proto/belfry/v1/delivery.pb.h"
#include "proto/vault/event.pb.h"
#include "server/encode/json_writer.h"

namespace belfry::encode {
namespace {

// Of Delivery's event: its number, and that its length follows. (Protocol Buffers, "Encoding")
constexpr char kEventTag = v1::Delivery::kEventFieldNumber << 3 | 2;

v1::Delivery At(const Place& place) {
  v1::Delivery delivery;
  delivery.set_cursor(place.cursor);
  return delivery;
}

void AppendVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// The event is a message already: it is put in without being read.
std::string BinaryDelivery(std::string_view event, const Place& place) {
  std::string out = At(place).SerializeAsString();
  out += kEventTag;
  AppendVarint(event.size(), out);
  out += event;
  return out;
}

// A frame that is no event of a plugin. `data`: a JSON object, or "".
std::string Notice(std::string_view type, std::string_view data, const Place& place,
                   absl::Time now) {
  std::string out;
  ObjectWriter frame(out);
  frame.Text("id", std::string(type) + "/" + place.cursor);
  frame.Text("source", "https://vaultproject.io/");
  frame.Text("specversion", "1.0");
  frame.Text("type", type);
  if (!data.empty()) frame.Key("data") += data;
  frame.Text("time", Rfc3339(now));
  frame.Text("cursor", place.cursor);
  frame.Text("sequence", place.sequence);
  frame.End();
  out += '\n';
  return out;
}

std::string GapData(const Gap& gap) {
  std::string out;
  ObjectWriter data(out);
  data.Text("reason", gap.reason);
  data.Text("after", gap.after);
  data.Text("advice", "events are missing: read again what you keep");
  data.End();
  return out;
}

}  // namespace

std::string EncodeDelivery(Format format, const storage::AcceptedEvent& event, const Place& place) {
  switch (format) {
    case Format::kProtobuf:
      return BinaryDelivery(event.bytes, place);
    case Format::kCloudEventsJson: {
      logical::EventReceived message;
      // What was accepted can be read.
      (void)message.ParseFromString(event.bytes);
      return CloudEventJson(message, event.accepted, &place);
    }
  }
  return "";
}

std::string EncodeGap(Format format, const Gap& gap, const Place& place, absl::Time now) {
  if (format == Format::kCloudEventsJson) return Notice("belfry.gap", GapData(gap), place, now);
  v1::Delivery delivery = At(place);
  delivery.mutable_gap()->set_reason(gap.reason);
  delivery.mutable_gap()->set_after(gap.after);
  return delivery.SerializeAsString();
}

std::string EncodeBookmark(Format format, const Place& place, absl::Time now) {
  if (format == Format::kCloudEventsJson) return Notice("belfry.bookmark", "", place, now);
  v1::Delivery delivery = At(place);
  delivery.mutable_bookmark();
  return delivery.SerializeAsString();
}

}  // namespace belfry::encode
