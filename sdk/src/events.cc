#include "belfry/events.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace belfry {
namespace {

// Within the host's own limits, so that a mistake shows before it travels.
constexpr std::size_t kMaxTypeBytes = 256;
constexpr std::size_t kMaxEntries = 64;
constexpr std::size_t kMaxMetadataBytes = 28 * 1024;

absl::Status CheckType(std::string_view type) {
  const std::size_t slash = type.find('/');
  if (slash == 0 || slash == std::string_view::npos || type.ends_with('/')) {
    return absl::InvalidArgumentError(
        absl::StrCat("event type \"", std::string(type),
                     "\" must be \"<plugin>/<what happened>\", for example \"notes/write\""));
  }
  if (type.size() > kMaxTypeBytes) {
    return absl::InvalidArgumentError(absl::StrCat("an event type may have ", kMaxTypeBytes,
                                                   " bytes, this one has ", type.size()));
  }
  for (const char c : type) {
    if (c <= ' ' || c == '*' || c == 0x7f) {
      return absl::InvalidArgumentError(
          absl::StrCat("event type \"", std::string(type),
                       "\" may not contain spaces, control characters or '*'"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSize(const internal::EventFields& fields) {
  if (fields.size() > kMaxEntries) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an event may have ", kMaxEntries, " metadata entries, this one has ", fields.size()));
  }
  std::size_t bytes = 0;
  for (const auto& [key, value] : fields) bytes += key.size() + value.size();
  if (bytes > kMaxMetadataBytes) {
    return absl::InvalidArgumentError(absl::StrCat("an event may have ", kMaxMetadataBytes,
                                                   " bytes of metadata, this one has ", bytes));
  }
  return absl::OkStatus();
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
  return CheckSize(*fields);
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
