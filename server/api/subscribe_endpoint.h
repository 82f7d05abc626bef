#pragma once

#include <string_view>

#include "server/api/answered.h"
#include "server/api/api.h"
#include "server/api/http_message.h"
#include "server/builtin/call.h"

namespace belfry::api {

// Whether the path (with "/v1/") is the subscribe endpoint.
bool IsSubscribePath(std::string_view path);

// Opens the subscription where the request has a subscriber. May take a while: filters are
// compiled. (vault-api-and-events 3.2)
Answered AnswerSubscribe(const Dependencies& dependencies, HttpRequest request, builtin::Call call);

}  // namespace belfry::api
