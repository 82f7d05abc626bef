#include "base/event_rules.h"

#include <algorithm>
#include <string>

#include "base/paths.h"
#include "base/text.h"
#include "base/utf8.h"

namespace belfry {
namespace {

absl::Status Invalid(std::initializer_list<std::string_view> parts) {
  return absl::InvalidArgumentError(Concat(parts));
}

bool IsControl(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return IsControl(c); });
}

}  // namespace

absl::Status CheckEventType(std::string_view type) {
  if (type.empty()) return Invalid({"the event has no type"});
  if (type.size() > kMaxEventTypeBytes) {
    return Invalid({"an event type may have ", std::to_string(kMaxEventTypeBytes),
                    " bytes, this one has ", std::to_string(type.size())});
  }
  const bool visible =
      std::all_of(type.begin(), type.end(), [](char c) { return c > ' ' && c < 0x7f && c != '*'; });
  if (!visible)
    return Invalid({"an event type may only have visible ASCII characters other than '*'"});
  if (IsCleanPath(type) && !type.ends_with('/')) return absl::OkStatus();
  return Invalid(
      {"an event type is like \"kv-v2/data-write\": no '/' at either end, no empty part, "
       "no \".\" and no \"..\""});
}

bool IsHostEventType(std::string_view type) {
  constexpr std::string_view kHost = "sys";
  const std::string_view first = type.substr(0, type.find('/'));
  return std::equal(first.begin(), first.end(), kHost.begin(), kHost.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

absl::Status CheckEventId(std::string_view id) {
  if (id.size() > kMaxEventIdBytes) {
    return Invalid({"an event id may have ", std::to_string(kMaxEventIdBytes),
                    " bytes, this one has ", std::to_string(id.size())});
  }
  while (!id.empty()) {
    const Utf8Character next = FirstCharacter(id);
    if (!next.valid) return Invalid({"the event's id is not UTF-8"});
    if (!IsPrintable(next.code))
      return Invalid({"the event's id has a character that does not show"});
    id.remove_prefix(next.size);
  }
  return absl::OkStatus();
}

absl::Status CheckEventPath(std::string_view key, std::string_view path) {
  if (path.empty()) return Invalid({"the event's ", key, " is empty"});
  if (HasControl(path)) return Invalid({"the event's ", key, " has control characters"});
  if (IsCleanPath(path) && !path.ends_with('/')) return absl::OkStatus();
  return Invalid({"the event's ", key,
                  " must be a request's path without the mount, for example \"notes/a\": no '/' at "
                  "either end, no empty segment, no \".\" and no \"..\""});
}

absl::Status CheckEventKey(std::string_view key) {
  if (key.empty()) return Invalid({"a metadata key of the event is empty"});
  if (HasControl(key)) return Invalid({"a metadata key of the event has control characters"});
  return absl::OkStatus();
}

absl::Status CheckEventSize(std::size_t entries, std::size_t bytes) {
  if (entries > kMaxEventMetadataEntries) {
    return Invalid({"an event may have ", std::to_string(kMaxEventMetadataEntries),
                    " metadata entries, this one has ", std::to_string(entries)});
  }
  if (bytes > kMaxEventMetadataBytes) {
    return Invalid({"an event may have ", std::to_string(kMaxEventMetadataBytes),
                    " bytes of metadata, this one has ", std::to_string(bytes)});
  }
  return absl::OkStatus();
}

absl::Status CheckBatchSize(std::size_t operations, std::size_t events) {
  const std::size_t most_events = operations == 0 ? kMaxEventsPerBatch : kMaxEventsWithOperations;
  if (operations <= kMaxOperationsPerBatch && events <= most_events) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      Concat({"a batch may have ", std::to_string(kMaxOperationsPerBatch), " operations and ",
              std::to_string(kMaxEventsWithOperations), " events with them, or ",
              std::to_string(kMaxEventsPerBatch), " events and no operations"}));
}

}  // namespace belfry
