#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "proto/vault/event.pb.h"
#include "server/storage/accepted_event.h"

namespace belfry::encode {

// Turns one event into the bytes of one frame, whatever carries it. Pure functions, thread-safe.

enum class Format { kCloudEventsJson, kProtobuf };
// By the last of them.
inline constexpr std::size_t kFormats = static_cast<std::size_t>(Format::kProtobuf) + 1;

// The event in that format.
std::string Encode(Format format, const storage::AcceptedEvent& event);

// How far a stream that resumes has come (delivery.h).
struct Place {
  std::string cursor;
  std::string sequence;  // As a text that sorts.
};

// CloudEvents JSON as Vault 1.15 writes it, with its constants (source "https://vaultproject.io/",
// type "*", the misspelt "datacontentype") and one trailing newline. `accepted` is when the host
// accepted the event; it appears in UTC with nanoseconds. Metadata keys are sorted; '<', '>', '&',
// U+2028 and U+2029 are escaped. With a place, its parts follow as extension attributes.
std::string CloudEventJson(const logical::EventReceived& event, absl::Time accepted,
                           const Place* place = nullptr);

// In UTC with as many digits of the second as are not zero.
std::string Rfc3339(absl::Time time);

// `text` as a JSON string, with its quotes, escaped like Go's encoding/json; invalid UTF-8 becomes
// U+FFFD.
std::string JsonString(std::string_view text);

}  // namespace belfry::encode
