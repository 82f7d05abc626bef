#include "server/plugin_host/event_wire.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "base/event_rules.h"
#include "base/utf8.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/wire_format_lite.h"
#include "proto/vault/event.pb.h"

namespace belfry::plugin_host {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

// The tag of a field that has its length in front of it.
constexpr std::uint8_t LengthTag(int field) {
  return static_cast<std::uint8_t>(
      WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED));
}

constexpr std::uint8_t kEventTag = LengthTag(logical::EventReceived::kEventFieldNumber);
constexpr std::uint8_t kNamespaceTag = LengthTag(logical::EventReceived::kNamespaceFieldNumber);
constexpr std::uint8_t kTypeTag = LengthTag(logical::EventReceived::kEventTypeFieldNumber);
constexpr std::uint8_t kPluginInfoTag = LengthTag(logical::EventReceived::kPluginInfoFieldNumber);
constexpr std::uint8_t kIdTag = LengthTag(logical::EventData::kIdFieldNumber);
constexpr std::uint8_t kMetadataTag = LengthTag(logical::EventData::kMetadataFieldNumber);
constexpr std::uint8_t kEntityIdsTag = LengthTag(logical::EventData::kEntityIdsFieldNumber);
constexpr std::uint8_t kNoteTag = LengthTag(logical::EventData::kNoteFieldNumber);
constexpr std::uint8_t kEntryTag = LengthTag(Struct::kFieldsFieldNumber);
constexpr std::uint8_t kKeyTag = LengthTag(1);
constexpr std::uint8_t kValueTag = LengthTag(2);
constexpr std::uint8_t kStringTag = LengthTag(Value::kStringValueFieldNumber);

struct WireField {
  std::uint8_t tag = 0;
  std::string_view whole;  // With tag and length.
  std::string_view content;
};

// The rest of a length that does not fit into its first byte; false when it is cut off, too large
// or could be shorter.
bool ReadLongLength(std::string_view wire, std::size_t& head, std::size_t& length) {
  constexpr unsigned kMaxShift = 28;
  length &= 0x7f;
  for (unsigned shift = 7; head < wire.size() && shift <= kMaxShift; shift += 7) {
    const auto byte = static_cast<std::uint8_t>(wire[head++]);
    length |= static_cast<std::size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return byte != 0;
  }
  return false;
}

// Takes the first field off `rest`. False, with `rest` as it was, when it does not have a tag of
// one byte and a length of as few as possible, or is cut off. Whether the field is one with a
// length is for the caller to see, who knows the tags.
inline bool TakeField(std::string_view& rest, WireField& field) {
  std::size_t head = 2;
  if (rest.size() < head) return false;
  std::size_t length = static_cast<std::uint8_t>(rest[1]);
  if (length >= 0x80 && !ReadLongLength(rest, head, length)) return false;
  if (length > rest.size() - head) return false;
  field.tag = static_cast<std::uint8_t>(rest[0]);
  field.whole = {rest.data(), head + length};
  field.content = {rest.data() + head, length};
  rest.remove_prefix(head + length);
  return true;
}

// IsUtf8, but eight bytes at a time, and inline, while they are ASCII: nearly all are.
inline bool IsString(std::string_view bytes) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::uint64_t word = 0;
  for (; bytes.size() >= sizeof(word); bytes.remove_prefix(sizeof(word))) {
    std::memcpy(&word, bytes.data(), sizeof(word));
    if ((word & kHighBits) != 0) return IsUtf8(bytes);
  }
  char all = 0;
  for (const char c : bytes) all |= c;
  return (all & 0x80) == 0 || IsUtf8(bytes);
}

// Numbers, booleans and null, as a serializer writes them.
bool IsScalar(std::string_view value) {
  constexpr auto kNumberTag = static_cast<char>(
      WireFormatLite::MakeTag(Value::kNumberValueFieldNumber, WireFormatLite::WIRETYPE_FIXED64));
  constexpr char kBoolTag = static_cast<char>(
      WireFormatLite::MakeTag(Value::kBoolValueFieldNumber, WireFormatLite::WIRETYPE_VARINT));
  constexpr char kNullTag = static_cast<char>(
      WireFormatLite::MakeTag(Value::kNullValueFieldNumber, WireFormatLite::WIRETYPE_VARINT));
  if (value.size() == 1 + sizeof(double)) return value[0] == kNumberTag;
  if (value.size() != 2) return false;
  return (value[0] == kBoolTag && (value[1] == 0 || value[1] == 1)) ||
         (value[0] == kNullTag && value[1] == 0);
}

// False: not UTF-8.
bool ReadValue(WireEntry& entry, WireEvent& event) {
  std::string_view rest = entry.value;
  WireField field;
  if (TakeField(rest, field) && rest.empty() && field.tag == kStringTag) {
    entry.string = field.content;
    return IsString(field.content);
  }
  if (!entry.value.empty() && !IsScalar(entry.value)) event.has_unread_parts = true;
  return true;
}

bool ReadEntry(std::string_view content, WireEntry& entry, WireEvent& event) {
  WireField field;
  if (!TakeField(content, field) || field.tag != kKeyTag) return false;
  entry.key = field.content;
  if (!TakeField(content, field) || field.tag != kValueTag) return false;
  entry.value = field.content;
  return content.empty() && IsString(entry.key) && ReadValue(entry, event);
}

// One by one, which for the few entries that an event has is faster than a set of keys.
bool HasKey(const std::vector<WireEntry>& entries, std::string_view key) {
  return std::any_of(entries.begin(), entries.end(),
                     [key](const WireEntry& entry) { return entry.key == key; });
}

bool ReadMetadata(std::string_view rest, WireEvent& event) {
  event.has_metadata = true;
  constexpr std::size_t kUsualEntries = 8;
  event.entries.reserve(kUsualEntries);
  WireField field;
  for (; !rest.empty(); ++event.entry_count) {
    if (!TakeField(rest, field) || field.tag != kEntryTag) return false;
    if (event.entries.size() == kMaxEventMetadataEntries) {
      event.has_unread_parts = true;
      continue;
    }
    WireEntry entry{.field = field.whole};
    if (!ReadEntry(field.content, entry, event)) return false;
    if (HasKey(event.entries, entry.key)) event.has_unread_parts = true;
    event.entries.push_back(entry);
  }
  return true;
}

// A note that is empty is not written.
bool IsOfRest(const WireField& field) {
  return field.tag == kEntityIdsTag || (field.tag == kNoteTag && !field.content.empty());
}

bool ReadData(std::string_view rest, WireEvent& event) {
  WireField field;
  for (std::uint8_t last = 0; !rest.empty(); last = field.tag) {
    const std::string_view from_here = rest;
    if (!TakeField(rest, field) || field.tag < last) return false;
    if (field.tag == last && field.tag != kEntityIdsTag) return false;
    if (field.tag == kIdTag) {
      event.id = field.content;
    } else if (field.tag == kMetadataTag) {
      if (!ReadMetadata(field.content, event)) return false;
      continue;
    } else if (!IsOfRest(field)) {
      return false;
    } else if (event.rest.empty()) {
      event.rest = from_here;
    }
    if (!IsString(field.content)) return false;
  }
  return true;
}

bool ReadField(const WireField& field, WireEvent& event) {
  switch (field.tag) {
    case kEventTag:
      return ReadData(field.content, event);
    case kNamespaceTag:
      event.name_space = field.content;
      return IsString(field.content);
    case kTypeTag:
      event.type = field.content;
      return IsString(field.content);
    case kPluginInfoTag:
      event.plugin_info = field.content;
      event.has_unread_parts = true;
      return true;
    default:
      return false;
  }
}

void DropOwnUnknownFields(google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (reflection.GetUnknownFields(message).empty()) return;
  reflection.MutableUnknownFields(&message)->Clear();
}

void DropUnknownFields(Struct& object);

void DropUnknownFields(Value& value) {
  DropOwnUnknownFields(value);
  if (value.has_struct_value()) DropUnknownFields(*value.mutable_struct_value());
  if (!value.has_list_value()) return;
  DropOwnUnknownFields(*value.mutable_list_value());
  for (Value& element : *value.mutable_list_value()->mutable_values()) DropUnknownFields(element);
}

void DropUnknownFields(Struct& object) {
  DropOwnUnknownFields(object);
  for (auto& [key, value] : *object.mutable_fields()) DropUnknownFields(value);
}

// Message::DiscardUnknownFields, which turns each map into a list, takes longer than all the rest.
void DropUnknownFields(logical::EventReceived& event) {
  DropOwnUnknownFields(event);
  if (event.has_plugin_info()) DropOwnUnknownFields(*event.mutable_plugin_info());
  if (!event.has_event()) return;
  DropOwnUnknownFields(*event.mutable_event());
  if (event.event().has_metadata()) DropUnknownFields(*event.mutable_event()->mutable_metadata());
}

std::size_t FieldSize(std::size_t length) {
  return 1 + CodedOutputStream::VarintSize32(static_cast<std::uint32_t>(length)) + length;
}

// Fills a string of a known size. Appending to one would ask at each piece whether it must grow, a
// tenth of all that an event takes.
class Writer {
 public:
  explicit Writer(std::size_t size) : bytes_(size, '\0'), next_(bytes_.data()) {}

  void Bytes(std::string_view bytes) { next_ += bytes.copy(next_, bytes.size()); }
  // The beginning of a field whose `length` bytes follow.
  void Head(std::uint8_t tag, std::size_t length) {
    *next_++ = static_cast<char>(tag);
    next_ = reinterpret_cast<char*>(CodedOutputStream::WriteVarint32ToArray(
        static_cast<std::uint32_t>(length), reinterpret_cast<std::uint8_t*>(next_)));
  }
  void Field(std::uint8_t tag, std::string_view content) {
    Head(tag, content.size());
    Bytes(content);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
  char* next_;
};

// Of an entry that is a path, with the mount in front of it.
struct PathSizes {
  PathSizes(const WireEntry& entry, std::string_view mount_path)
      : path(mount_path.size() + entry.string->size()),
        value(FieldSize(path)),
        entry(FieldSize(entry.key.size()) + FieldSize(value)) {}
  std::size_t path;
  std::size_t value;
  std::size_t entry;
};

std::size_t EntrySize(const WireEntry& entry, std::string_view mount_path) {
  if (!entry.is_path) return entry.field.size();
  return FieldSize(PathSizes(entry, mount_path).entry);
}

void WriteEntry(const WireEntry& entry, std::string_view mount_path, Writer& out) {
  if (!entry.is_path) return out.Bytes(entry.field);
  const PathSizes sizes(entry, mount_path);
  out.Head(kEntryTag, sizes.entry);
  out.Field(kKeyTag, entry.key);
  out.Head(kValueTag, sizes.value);
  out.Head(kStringTag, sizes.path);
  out.Bytes(mount_path);
  out.Bytes(*entry.string);
}

}  // namespace

std::optional<WireEvent> ReadEvent(std::string_view wire) {
  std::optional<WireEvent> event(std::in_place);
  WireField field;
  for (std::uint8_t last = 0; !wire.empty(); last = field.tag) {
    if (!TakeField(wire, field) || field.tag <= last || !ReadField(field, *event))
      return std::nullopt;
  }
  return event;
}

std::optional<std::string> NormalizeEvent(std::string_view wire) {
  if (wire.size() > std::numeric_limits<int>::max()) return std::nullopt;
  google::protobuf::Arena arena;
  auto* const event = google::protobuf::Arena::CreateMessage<logical::EventReceived>(&arena);
  if (!event->ParseFromArray(wire.data(), static_cast<int>(wire.size()))) return std::nullopt;
  DropUnknownFields(*event);
  return event->SerializeAsString();
}

std::string WriteEvent(const WireEvent& event, std::string_view mount_path,
                       std::string_view plugin_info) {
  std::size_t metadata = 0;
  for (const WireEntry& entry : event.entries) metadata += EntrySize(entry, mount_path);
  const std::size_t data = FieldSize(event.id.size()) +
                           (event.has_metadata ? FieldSize(metadata) : 0) + event.rest.size();
  Writer out(FieldSize(data) + FieldSize(event.type.size()) + FieldSize(plugin_info.size()));
  out.Head(kEventTag, data);
  out.Field(kIdTag, event.id);
  if (event.has_metadata) out.Head(kMetadataTag, metadata);
  for (const WireEntry& entry : event.entries) WriteEntry(entry, mount_path, out);
  out.Bytes(event.rest);
  out.Field(kTypeTag, event.type);
  out.Field(kPluginInfoTag, plugin_info);
  return out.Take();
}

}  // namespace belfry::plugin_host
