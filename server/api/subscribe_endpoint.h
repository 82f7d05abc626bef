#pragma once

#include <string_view>

#include "server/api/answered.h"
#include "server/api/api.h"
#include "server/api/http_message.h"
#include "server/builtin/answer.h"
#include "server/builtin/call.h"

namespace belfry::api {

// Whether the path (with "/v1/") is the subscribe endpoint.
bool IsSubscribePath(std::string_view path);

// A subscription to open, or the answer instead. May take a while: filters are compiled.
// (vault-api-and-events 3.2)
Answered AnswerSubscribe(const Dependencies& dependencies, HttpRequest request, builtin::Call call);

// Why a subscription is not opened, as subscriptions::Prepare and PendingSubscription::Open say it.
builtin::Answer SubscriptionRefusal(const absl::Status& status);

}  // namespace belfry::api
