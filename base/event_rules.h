#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"

namespace belfry {

// What an event may be: one rule for the SDK, its test hosts and the host. Every status is OK or
// InvalidArgument, if nothing else is said, with a sentence that says what is wrong. Pure,
// thread-safe.

inline constexpr std::size_t kMaxEventTypeBytes = 256;
inline constexpr std::size_t kMaxEventIdBytes = 128;
inline constexpr std::size_t kMaxEventMetadataEntries = 64;
// Of keys and values together, before the host puts the mount in front of the paths.
inline constexpr std::size_t kMaxEventMetadataBytes = 28 * 1024;

// Visible ASCII other than '*', because subscribers write types into URLs, where '*' stands for
// anything; no part between slashes is empty, "." or "..".
absl::Status CheckEventType(std::string_view type);
// Whether the type is one of the host itself, such as "sys/plugin-crash", in whatever case its
// first part is written: no plugin may send it.
bool IsHostEventType(std::string_view type);
// Where the host's own events are: each is about one plugin of the catalog, whose name follows.
// Here for those who publish them and for those who say which policies could let them through.
inline constexpr std::string_view kHostEventPaths = "sys/plugins/catalog/secret/";
// The words for such a refusal.
inline constexpr std::string_view kHostEventTypeRefusal =
    "event types whose first part is \"sys\" are the host's own; a plugin's begin with the "
    "plugin's name";
// Empty, for the host to choose one, or UTF-8 characters that show (base/utf8.h); CloudEvents 1.0
// forbids controls in its attributes.
absl::Status CheckEventId(std::string_view id);
// Of `path` and `data_path`, which `key` says: without the mount and exactly as a request has it,
// since subscribers' rights are asked for it. No segment is empty, "." or "..", so that there is no
// '/' at either end; no control characters.
absl::Status CheckEventPath(std::string_view key, std::string_view path);
// Not empty, no control characters.
absl::Status CheckEventKey(std::string_view key);
// `bytes` of keys and values in so many entries.
absl::Status CheckEventSize(std::size_t entries, std::size_t bytes);

// What a plugin may change in its storage at once, and tell of it. Events that go with changes are
// told all together, and whoever writes meanwhile waits for that; without changes others have their
// turn.
inline constexpr std::size_t kMaxOperationsPerBatch = 4096;
inline constexpr std::size_t kMaxEventsWithOperations = 64;
inline constexpr std::size_t kMaxEventsPerBatch = 4096;
// OK or ResourceExhausted.
absl::Status CheckBatchSize(std::size_t operations, std::size_t events);

}  // namespace belfry
