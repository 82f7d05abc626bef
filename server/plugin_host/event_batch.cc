#include "server/plugin_host/event_batch.h"

#include <string>

#include "base/text.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "proto/belfry/v1/event_producer.pb.h"

namespace belfry::plugin_host {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr std::uint32_t kBatchTag =
    WireFormatLite::MakeTag(v1::PublishRequest::kBatchFieldNumber, WireFormatLite::WIRETYPE_VARINT);
constexpr std::uint32_t kEventTag = WireFormatLite::MakeTag(
    v1::PublishRequest::kEventsFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

// The next field that has its length in front of it; false when it is cut off.
bool ReadBytes(google::protobuf::io::CodedInputStream& in, std::string_view* bytes) {
  std::uint32_t length = 0;
  const void* data = nullptr;
  int left = 0;
  if (!in.ReadVarint32(&length)) return false;
  if (length == 0) return true;
  if (!in.GetDirectBufferPointer(&data, &left) || length > static_cast<std::uint32_t>(left))
    return false;
  *bytes = {static_cast<const char*>(data), length};
  return in.Skip(static_cast<int>(length));
}

}  // namespace

absl::StatusOr<EventBatch> ParseEventBatch(std::string_view wire, const Limits& limits) {
  if (wire.size() > limits.max_event_batch_bytes) {
    return absl::ResourceExhaustedError(
        Concat({"a batch may have ", std::to_string(limits.max_event_batch_bytes), " bytes"}));
  }
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(wire.data()),
                                            static_cast<int>(wire.size()));
  const absl::Status malformed = absl::InvalidArgumentError("the batch of events cannot be read");
  EventBatch batch;
  while (const std::uint32_t tag = in.ReadTag()) {
    if (tag == kBatchTag) {
      if (!in.ReadVarint64(&batch.number)) return malformed;
    } else if (tag == kEventTag) {
      if (batch.events.size() == limits.max_events_per_batch) {
        return absl::ResourceExhaustedError(
            Concat({"a batch may have ", std::to_string(limits.max_events_per_batch), " events"}));
      }
      std::string_view event;
      if (!ReadBytes(in, &event)) return malformed;
      batch.events.push_back(event);
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      return malformed;
    }
  }
  if (!in.ConsumedEntireMessage()) return malformed;
  return batch;
}

}  // namespace belfry::plugin_host
