#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "server/bus/bus.h"

namespace belfry::subscriptions {

// Where the frames of one subscription go. Thread-safe.
class Subscriber : public bus::Sink {
 public:
  // Drops what waits, takes nothing more, and has the connection closed with 1000 and this reason.
  // Once it has returned no frame begins to leave. Waits for one system call at most.
  virtual void End(std::string_view reason) = 0;
  // Whether there is room for what comes from the journal, which is a part of the bounds that an
  // offer must keep to; or it has ended, and an offer says so.
  virtual bool HasRoom() const = 0;
  // True: HasRoom. False: `wake` runs once there is, on another's thread,
  // unless it ends before, or this is called again. It must not block.
  virtual bool AwaitRoom(absl::AnyInvocable<void()> wake) = 0;
  // All up to this place of the journal has been offered, or was not for it; and there is no more
  // for now, or no room, or others have their turn.
  enum class Pause { kWaits, kGoesOn };
  virtual void OnPause(std::uint64_t position, Pause pause) {
    (void)position;
    (void)pause;
  }
  // Returns when what is leaving at this moment has left: every frame after that leaves only if
  // the authorizer, refreshed after this was called, allows it. Waits for one system call at most.
  virtual void AwaitSending() = 0;
};

// A subscription that has been opened. Events may already have been offered to the subscriber.
struct OpenedSubscription {
  // Holds what it depends on, and goes last.
  std::shared_ptr<const void> use = {};
  // Among the Subscribers.
  std::shared_ptr<const void> membership = {};
  std::unique_ptr<bus::Subscription> subscription;
  bus::Format format = bus::Format::kProtobuf;
  // For the sender: what was offered may have to be authorized again when its turn comes. Kept
  // as long as anything may be sent, it also ends the subscriber when its token ends, or when a
  // policy takes away the right to subscribe.
  std::unique_ptr<bus::EventAuthorizer> event_authorizer;
  // Of the token, and as it was asked for: for the log.
  std::string accessor = {};
  std::string type_pattern = {};
};

}  // namespace belfry::subscriptions
