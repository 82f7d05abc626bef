#pragma once

#include <variant>

#include "absl/functional/any_invocable.h"
#include "server/api/http_message.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::api {

// A subscription that may be opened, but whose request came without a subscriber: the caller of
// Handle knows why, and answers the client.
struct WithoutSubscriber {};

// The sender may have the server sealed; it is answered with 204 when that is done.
struct SealServer {};

// The sender may have a snapshot of the storage; it is answered with one.
struct SaveSnapshot {};

// What came of a request. Dropping a subscription ends it.
using Outcome = std::variant<HttpResponse, subscriptions::OpenedSubscription, WithoutSubscriber,
                             SealServer, SaveSnapshot>;

// Runs exactly once, on any thread.
using Respond = absl::AnyInvocable<void(Outcome)>;

}  // namespace belfry::api
