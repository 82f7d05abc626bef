#include "belfry/events.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/event_rules.h"
#include "base/utf8.h"

namespace belfry {
namespace {

absl::Status CheckType(std::string_view type) {
  if (absl::Status status = CheckEventType(type); !status.ok()) return status;
  const std::size_t slash = type.find('/');
  if (slash != 0 && slash != std::string_view::npos && !type.ends_with('/')) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("event type \"", std::string(type),
                   "\" must be \"<plugin>/<what happened>\", for example \"notes/write\""));
}

bool IsPath(std::string_view key) {
  return key == "path" || key == "data_path";
}

// A mistake shows here, before it travels: the host has the same rules.
absl::Status CheckFields(const internal::EventFields& fields) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : fields) {
    bytes += key.size() + value.size();
    if (absl::Status status = CheckEventKey(key); !status.ok()) return status;
    if (!IsPath(key)) continue;
    if (absl::Status status = CheckEventPath(key, value); !status.ok()) return status;
    // Elsewhere U+FFFD takes its place; a path must be the one that was asked for.
    if (!IsUtf8(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the event's ", std::string(key), " is not UTF-8"));
    }
  }
  return CheckEventSize(fields.size(), bytes);
}

}  // namespace

absl::Status internal::CompleteEvent(const Event& event, EventFields* fields) {
  if (absl::Status status = CheckType(event.type); !status.ok()) return status;
  const std::string_view type = event.type;
  const EventMetadata& metadata = event.metadata;
  fields->clear();
  fields->emplace_back("path", metadata.path);
  if (!metadata.data_path.empty()) fields->emplace_back("data_path", metadata.data_path);
  fields->emplace_back("operation", metadata.operation.empty()
                                        ? type.substr(type.rfind('/') + 1)
                                        : std::string_view(metadata.operation));
  fields->emplace_back("modified", metadata.modified ? "true" : "false");
  const std::size_t named = fields->size();
  for (const auto& [key, value] : metadata.extra) {
    const auto end = fields->begin() + named;
    const bool taken =
        std::any_of(fields->begin(), end, [&key](const auto& field) { return field.first == key; });
    if (!taken) fields->emplace_back(key, value);
  }
  return CheckFields(*fields);
}

absl::Status EventSender::Send(std::string_view type, const EventMetadata& metadata) {
  const Event event{std::string(type), metadata};
  return std::move(DoSend({&event, 1}).front());
}

std::vector<absl::Status> EventSender::SendAll(absl::Span<const Event> events) {
  return DoSend(events);
}

void EventSender::SendOrLog(std::string_view type, const EventMetadata& metadata) {
  const absl::Status status = Send(type, metadata);
  if (!status.ok() && !absl::IsFailedPrecondition(status)) LogFailure(type, status);
}

}  // namespace belfry
