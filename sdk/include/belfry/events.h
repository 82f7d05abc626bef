#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace belfry {

// What subscribers learn about an event. Never put a secret here: everyone with the right to
// subscribe reads it, and hosts may log it.
struct EventMetadata {
  // The API path, without the mount, that a subscriber needs `subscribe` on. Required.
  std::string path = {};
  // Where to read the new data, without the mount. Empty: left out.
  std::string data_path = {};
  // Empty: what follows the last '/' of the type.
  std::string operation = {};
  // Whether the secret has changed. Travels as the text "true" or "false".
  bool modified = false;
  // Anything else, as text.
  std::map<std::string, std::string> extra = {};
};

// Tells the host's subscribers that something happened.
//
// **Never put a secret in an event.**
// Threads: safe to use from several at once. Events of one mount reach every subscriber in the
// order in which the host accepted them; an event sent after another Send has returned comes after
// it. Returns when the host has accepted the event, not when a subscriber has it. Each call makes a
// fresh id. Errors: InvalidArgument for a malformed type or metadata over the limits (30 KiB an
// event, 64 entries, 256 bytes of type); PermissionDenied when the host refused it;
// FailedPrecondition when the host has no events; ResourceExhausted when it is too slow to take
// more; Unavailable when it is gone: the event may or may not have been accepted.
class EventSender {
 public:
  virtual ~EventSender() = default;

  // `type` is "<plugin>/<what happened>", for example "notes/write".
  [[nodiscard]] absl::Status Send(std::string_view type, const EventMetadata& metadata);

  // The same for events that must not fail what caused them: errors are logged, at most once a
  // minute for each type; that the host has no events at all is not logged.
  void SendOrLog(std::string_view type, const EventMetadata& metadata);

 private:
  // The metadata has been checked and completed: keys and values as they travel.
  virtual absl::Status DoSend(std::string_view type,
                              std::map<std::string, std::string> metadata) = 0;
  virtual void LogFailure(std::string_view type, const absl::Status& status) = 0;
};

}  // namespace belfry
