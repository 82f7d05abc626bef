#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/backoff.h"
#include "cli/connection.h"
#include "cli/event_frame.h"
#include "cli/subscription.h"
#include "cli/terminal.h"
#include "cli/websocket.h"

namespace belfry::cli {

// The frames of one subscription over as many connections as it takes. What ends a connection is
// said on the terminal's error stream. Not thread-safe.
class ResumingStream {
 public:
  // `wanted.after` is where it begins. `connection` and `terminal` must outlive it.
  ResumingStream(const Connection& connection, Subscription wanted, Terminal& terminal);

  // Makes the first connection, which is not tried again. Errors are OpenSubscription's.
  absl::Status Open();

  // Waits for the next frame, for as long as it takes. A connection that is lost or closed is
  // replaced by one that begins after the last frame of which Advance was told. Errors end the
  // stream: Cancelled when the reader of the output has gone; those of OpenSubscription when the
  // server refuses for good; FailedPrecondition when the server sends no cursors.
  absl::StatusOr<EventFrame> Next();
  // Whether Next has a frame without waiting.
  bool Ready();

  // The frame with this cursor has been dealt with.
  void Advance(std::string cursor) { wanted_.after = std::move(cursor); }

 private:
  absl::Status Reconnect();
  // OK also when there is no connection yet, for a reason that may pass.
  absl::Status TryToConnect();
  absl::Status Wait(absl::Duration time) const;
  void Report(const absl::Status& status, std::string_view what_follows);
  std::string PlaceToResume() const;

  const Connection& connection_;
  Subscription wanted_;
  Terminal& terminal_;
  Backoff backoff_;
  std::unique_ptr<WebSocket> socket_;  // Null while there is no connection.
  std::string reported_;               // What was last said of the current outage.
};

}  // namespace belfry::cli
