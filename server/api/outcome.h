#pragma once

#include <memory>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "server/api/http_message.h"
#include "server/subscriptions/subscriptions.h"

namespace belfry::api {

// A request for a subscription: authorised and read. Whoever received the request opens it, where
// it can carry frames; else it says to the client what is missing.
struct SubscriptionRequest {
  HttpRequest request;
  std::unique_ptr<subscriptions::PendingSubscription> pending;
};

// What came of a request.
using Outcome = std::variant<HttpResponse, SubscriptionRequest>;

// Runs exactly once, on any thread.
using Respond = absl::AnyInvocable<void(Outcome)>;

}  // namespace belfry::api
