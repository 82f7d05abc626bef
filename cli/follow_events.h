#pragma once

#include <string>

#include "cli/connection.h"
#include "cli/subscription.h"
#include "cli/terminal.h"

namespace belfry::cli {

struct FollowSettings {
  // With `after`, or with a cursor file, every lost connection is replaced.
  Subscription wanted;
  // Where the cursor of the last event is kept. What it holds wins over `wanted.after`, and
  // "latest" is where to begin when both are empty. Empty: no file.
  std::string cursor_file;
  // What to run for each event. Empty: events are printed.
  std::string command;
};

// Shows events until the stream ends, which it says, or the reader of the output has gone. Returns
// the exit code.
int FollowEvents(const Connection& connection, const FollowSettings& settings, Terminal& terminal);

}  // namespace belfry::cli
