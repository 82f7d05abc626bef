#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/executor.h"
#include "base/limits.h"
#include "server/access/authorizer.h"
#include "server/bus/bus.h"
#include "server/subscriptions/query.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::subscriptions {

// What subscriptions are opened on; everything must outlive them.
struct Environment {
  const access::Authorizer* authorizer = nullptr;
  bus::Bus* bus = nullptr;
  Executor* executor = nullptr;
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

// A subscription that may be opened: all that its request says has been checked.
class PendingSubscription {
 public:
  virtual ~PendingSubscription() = default;
  // Call once; it may be dropped before `done` runs, which happens exactly once, on any thread,
  // possibly before Open returns. From then on every event that is committed later is offered, or
  // nothing is left of it: Unauthenticated when the token has ended meanwhile, PermissionDenied
  // when the right has gone, ResourceExhausted when the executor takes no more.
  using Done = absl::AnyInvocable<void(absl::StatusOr<OpenedSubscription>)>;
  virtual void Open(std::shared_ptr<Subscriber> subscriber, Done done) = 0;
};

// PermissionDenied, or InvalidArgument as ParseSelection. May take a while.
absl::StatusOr<std::unique_ptr<PendingSubscription>> Prepare(const Environment& environment,
                                                             Request request);

}  // namespace belfry::subscriptions
