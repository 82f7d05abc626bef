#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace belfry {

// What subscribers learn about an event. Never put a secret here: everyone with the right to
// subscribe reads it, and hosts may log it.
struct EventMetadata {
  // The API path, without the mount, that a subscriber needs `subscribe` on. Required. As a request
  // has it, for rights are asked for exactly this: no '/' at either end, no empty segment, no "."
  // and no "..", no control characters, UTF-8.
  std::string path = {};
  // Where to read the new data, in the same form. Empty: left out.
  std::string data_path = {};
  // Empty: what follows the last '/' of the type.
  std::string operation = {};
  // Whether the secret has changed. Travels as the text "true" or "false".
  bool modified = false;
  // Anything else, as text. A key is not empty and has no control characters.
  std::map<std::string, std::string> extra = {};
};

// One of many events.
struct Event {
  // "<plugin>/<what happened>", for example "notes/write".
  std::string type;
  EventMetadata metadata = {};
};

namespace internal {

// An event's metadata as it travels: views of the event, each key once.
using EventFields = std::vector<std::pair<std::string_view, std::string_view>>;
// Completes the metadata; InvalidArgument when the event must not be sent.
absl::Status CompleteEvent(const Event& event, EventFields* fields);

}  // namespace internal

// Tells the host's subscribers that something happened.
//
// **Never put a secret in an event.**
// Threads: safe to use from several at once; every call waits for the host. Events of one mount
// reach every subscriber in the order in which the host accepted them: those of one SendAll in
// theirs, and what is sent after another call has returned comes after it. Accepted is not
// received: no call waits for a subscriber. A Belfry host has stored it by then, on its disk where
// it has one, so that subscribers that resume get it; Vault does not store it. Each event gets a
// fresh id. Errors, for each event: InvalidArgument for a malformed type, path or key, or metadata
// over the limits (28 KiB of metadata, 64 entries, 256 bytes of type), which are the host's, too;
// PermissionDenied when the host refused it; FailedPrecondition when the host has no events;
// ResourceExhausted when it is too slow to take more, and the event was not sent: 8,192 events or
// 16 MiB may be under way for a mount; Unavailable when the host is gone and DeadlineExceeded when
// it has answered nothing for 30 seconds: the event may or may not have been accepted.
class EventSender {
 public:
  virtual ~EventSender() = default;

  // `type` is "<plugin>/<what happened>", for example "notes/write".
  [[nodiscard]] absl::Status Send(std::string_view type, const EventMetadata& metadata);

  // Any number of events, in this order, much faster than one by one: the host takes some while
  // others are on their way. Returns when all are answered, with one status for each. When the
  // connection breaks, those that had left are Unavailable, never sent again, and those that had
  // not go over the next. Once the host is gone, or too slow, all others have that status.
  [[nodiscard]] std::vector<absl::Status> SendAll(absl::Span<const Event> events);

  // The same for events that must not fail what caused them: errors are logged, at most once a
  // minute for each type, with how many lines were left out; that the host has no events at all is
  // not logged.
  void SendOrLog(std::string_view type, const EventMetadata& metadata);

 private:
  // One status for each event. They have yet to be completed.
  virtual std::vector<absl::Status> DoSend(absl::Span<const Event> events) = 0;
  virtual void LogFailure(std::string_view type, const absl::Status& status) = 0;
};

}  // namespace belfry
