#include "belfry/events.h"

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

absl::Status CheckMetadata(const std::map<std::string, std::string>& metadata) {
  if (metadata.size() > kMaxEntries) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an event may have ", kMaxEntries, " metadata entries, this one has ", metadata.size()));
  }
  std::size_t bytes = 0;
  for (const auto& [key, value] : metadata) bytes += key.size() + value.size();
  if (bytes > kMaxMetadataBytes) {
    return absl::InvalidArgumentError(absl::StrCat("an event may have ", kMaxMetadataBytes,
                                                   " bytes of metadata, this one has ", bytes));
  }
  return absl::OkStatus();
}

std::map<std::string, std::string> Completed(std::string_view type, const EventMetadata& metadata) {
  std::map<std::string, std::string> entries = metadata.extra;
  entries["path"] = metadata.path;
  if (!metadata.data_path.empty()) entries["data_path"] = metadata.data_path;
  entries["operation"] = metadata.operation.empty() ? std::string(type.substr(type.rfind('/') + 1))
                                                    : metadata.operation;
  entries["modified"] = metadata.modified ? "true" : "false";
  return entries;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> internal::OutgoingEvents::Metadata(
    std::size_t index) const {
  const Event& event = events_[index];
  if (absl::Status status = CheckType(event.type); !status.ok()) return status;
  std::map<std::string, std::string> entries = Completed(event.type, event.metadata);
  if (absl::Status status = CheckMetadata(entries); !status.ok()) return status;
  return entries;
}

absl::Status EventSender::Send(std::string_view type, const EventMetadata& metadata) {
  const Event event{std::string(type), metadata};
  return std::move(DoSend(internal::OutgoingEvents({&event, 1})).front());
}

std::vector<absl::Status> EventSender::SendAll(absl::Span<const Event> events) {
  return DoSend(internal::OutgoingEvents(events));
}

void EventSender::SendOrLog(std::string_view type, const EventMetadata& metadata) {
  const absl::Status status = Send(type, metadata);
  if (!status.ok() && !absl::IsFailedPrecondition(status)) LogFailure(type, status);
}

}  // namespace belfry
