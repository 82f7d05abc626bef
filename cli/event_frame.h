#pragma once

#include <string>

namespace belfry::cli {

// One message of an event stream.
struct EventFrame {
  // kBookmark: no event, the stream has come as far as its cursor; kGap: events are missing before
  // its cursor.
  enum class Kind { kEvent, kBookmark, kGap };

  Kind kind = Kind::kEvent;
  std::string text;        // As the server sent it.
  std::string event_type;  // "kv-v2/data-write", or what kind of frame it is: "belfry.gap".
  std::string cursor;      // Empty when it has none, or one that is invalid.
  std::string gap_reason;  // Why events are missing.
};

// Understands what it can: a message that is not such JSON is an event of no type and no cursor.
EventFrame ReadEventFrame(std::string message);

}  // namespace belfry::cli
