#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <string>

#include "server/access/authorizer.h"
#include "server/bus/bus.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::subscriptions {

// Who subscribes, and the right that it needs for that as long as it is subscribed.
struct Permission {
  const access::Authorizer* authorizer = nullptr;  // Outlives it.
  access::Identity identity;
  access::Capability capability = access::Capability::kRead;
  std::string path;  // Canonical, by which policies are asked: "sys/events/subscribe/kv*".
  boost::json::object parameters;

  bool Holds() const;
};

// What the subscriber may see, for the bus, which offers.
std::unique_ptr<bus::EventAuthorizer> NewEventAuthorizer(const Permission& permission);

// The same for the sender. As long as it is kept, it ends the subscriber when the token ends or
// the right to subscribe goes, and lets no policy change return while something that it forbids may
// still leave. nullptr when the token has ended already. `permission` is shared with the stores.
std::unique_ptr<bus::EventAuthorizer> NewWatchingAuthorizer(
    const std::shared_ptr<const Permission>& permission,
    const std::shared_ptr<Subscriber>& subscriber);

}  // namespace belfry::subscriptions
