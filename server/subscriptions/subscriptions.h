#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "server/access/authorizer.h"
#include "server/bus/bus.h"
#include "server/subscriptions/followers.h"
#include "server/subscriptions/query.h"
#include "server/subscriptions/subscriber.h"
#include "server/subscriptions/subscribers.h"

namespace belfry::subscriptions {

// What subscriptions are opened on; everything must outlive them.
struct Environment {
  const access::Authorizer* authorizer = nullptr;
  bus::Bus* bus = nullptr;
  Followers* followers = nullptr;
  Subscribers* subscribers = nullptr;
  Limits limits;
};

// Who asks for what.
struct Request {
  access::Identity identity;
  access::Capability capability = access::Capability::kRead;
  // By which policies are asked: "sys/events/subscribe/kv*", canonical.
  std::string path;
  std::string type_pattern;
  Query query;
};

// Every event that is committed after it has returned is offered to the subscriber, and before them
// those that are kept from the place on where it asks to begin. Otherwise nothing is left of it:
// PermissionDenied; then InvalidArgument as ParseSelection; Unauthenticated when the token has
// ended meanwhile; Unavailable when all subscribers are being ended. May take a while, as filters
// are compiled. Thread-safe.
absl::StatusOr<OpenedSubscription> Open(const Environment& environment, Request request,
                                        std::shared_ptr<Subscriber> subscriber);

// Whether Open has anything against the request, for one that comes without a subscriber. May take
// as long. Thread-safe.
absl::Status Check(const Environment& environment, Request request);

}  // namespace belfry::subscriptions
