#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "cli/event_frame.h"
#include "cli/terminal.h"

namespace belfry::cli {

// Where the events of a subscription go. Not thread-safe.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // Returns once nothing of the event is left to do in this process. Cancelled when the reader of
  // the output has gone; DataLoss when the output cannot be written, for a reason that the
  // terminal's stream remembers; FailedPrecondition when a command failed.
  virtual absl::Status Deliver(const EventFrame& frame) = 0;
};

// Prints each event as a line, with what a terminal would obey made visible, and flushes it.
// `terminal` must outlive it.
std::unique_ptr<EventSink> MakePrintingSink(Terminal& terminal);

// Runs `command` with /bin/sh for each event, one at a time and for as long as it takes. The event
// is one line on its standard input; its type and cursor are in BELFRY_EVENT_TYPE and
// BELFRY_CURSOR ("" where the stream has no cursors), beside this process's environment. Its output
// is the terminal's.
std::unique_ptr<EventSink> MakeCommandSink(std::string command, const Terminal& terminal);

}  // namespace belfry::cli
