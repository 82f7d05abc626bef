#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/bus/bus.h"

namespace belfry::subscriptions {

// Where the frames of one subscription go. Thread-safe.
class Subscriber : public bus::Sink {
 public:
  // Drops what waits, takes nothing more, and has the connection closed with 1000 and this reason.
  // Once it has returned no frame begins to leave. Waits for one system call at most.
  virtual void End(std::string_view reason) = 0;
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
