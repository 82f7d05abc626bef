#include "sdk/src/event_encoding.h"

#include <algorithm>
#include <map>

#include "base/utf8.h"

namespace belfry::internal {
namespace {

// Fields of the messages, with the wire type in the low bits: 0 a number, 2 bytes with their
// length before them.
constexpr char kRequestBatch = 1 << 3 | 0;
constexpr char kRequestEvent = 2 << 3 | 2;
constexpr char kReceivedEvent = 1 << 3 | 2;
constexpr char kReceivedType = 3 << 3 | 2;
constexpr char kDataId = 1 << 3 | 2;
constexpr char kDataMetadata = 2 << 3 | 2;
constexpr char kStructField = 1 << 3 | 2;
constexpr char kEntryKey = 1 << 3 | 2;
constexpr char kEntryValue = 2 << 3 | 2;
constexpr char kValueText = 3 << 3 | 2;

std::size_t VarintSize(std::uint64_t number) {
  std::size_t size = 1;
  while (number >>= 7) ++size;
  return size;
}

// How many bytes a field with `length` bytes has, tag and length included.
std::size_t FieldSize(std::size_t length) {
  return 1 + VarintSize(length) + length;
}

void AppendVarint(std::uint64_t number, std::string* wire) {
  for (; number >= 0x80; number >>= 7) wire->push_back(static_cast<char>(number | 0x80));
  wire->push_back(static_cast<char>(number));
}

// The beginning of a field whose `length` bytes follow.
void AppendHead(char tag, std::size_t length, std::string* wire) {
  wire->push_back(tag);
  AppendVarint(length, wire);
}

void AppendText(char tag, std::string_view text, std::string* wire) {
  AppendHead(tag, text.size(), wire);
  wire->append(text);
}

std::size_t EntrySize(std::string_view key, std::string_view value) {
  return FieldSize(key.size()) + FieldSize(FieldSize(value.size()));
}

bool AreUtf8(const EventFields& fields) {
  return std::all_of(fields.begin(), fields.end(),
                     [](const auto& field) { return IsUtf8(field.first) && IsUtf8(field.second); });
}

// For what a plugin should not send: no need to be quick.
void AppendValid(std::string_view type, std::string_view id, const EventFields& fields,
                 std::string* wire) {
  std::map<std::string, std::string> valid;
  for (const auto& [key, value] : fields) valid[ValidUtf8(key)] = ValidUtf8(value);
  AppendEvent(ValidUtf8(type), id, EventFields(valid.begin(), valid.end()), wire);
}

}  // namespace

void AppendEvent(std::string_view type, std::string_view id, const EventFields& fields,
                 std::string* wire) {
  if (!IsUtf8(type) || !AreUtf8(fields)) return AppendValid(type, id, fields, wire);
  std::size_t metadata = 0;
  for (const auto& [key, value] : fields) metadata += FieldSize(EntrySize(key, value));
  const std::size_t data = FieldSize(id.size()) + FieldSize(metadata);
  AppendHead(kRequestEvent, FieldSize(data) + FieldSize(type.size()), wire);
  AppendHead(kReceivedEvent, data, wire);
  AppendText(kDataId, id, wire);
  AppendHead(kDataMetadata, metadata, wire);
  for (const auto& [key, value] : fields) {
    AppendHead(kStructField, EntrySize(key, value), wire);
    AppendText(kEntryKey, key, wire);
    AppendHead(kEntryValue, FieldSize(value.size()), wire);
    AppendText(kValueText, value, wire);
  }
  AppendText(kReceivedType, type, wire);
}

void AppendBatchNumber(std::uint64_t number, std::string* wire) {
  wire->push_back(kRequestBatch);
  AppendVarint(number, wire);
}

void ToProto(std::string_view type, std::string_view id, const EventFields& fields,
             logical::EventReceived* event) {
  event->set_event_type(ValidUtf8(type));
  event->mutable_event()->set_id(std::string(id));
  auto& metadata = *event->mutable_event()->mutable_metadata()->mutable_fields();
  for (const auto& [key, value] : fields)
    metadata[ValidUtf8(key)].set_string_value(ValidUtf8(value));
}

absl::Status ToStatus(const v1::RejectedEvent& rejected) {
  return absl::Status(static_cast<absl::StatusCode>(rejected.code()), rejected.reason());
}

}  // namespace belfry::internal
