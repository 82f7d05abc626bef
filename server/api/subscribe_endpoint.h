#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"
#include "server/api/outcome.h"

namespace belfry::api {

// Whether the path (with "/v1/") is the subscribe endpoint.
bool IsSubscribePath(std::string_view path);

// A subscription to open, or the answer instead. May take a while: filters are compiled.
// (vault-api-and-events 3.2)
Outcome AnswerSubscribe(const Dependencies& dependencies, HttpRequest request, Call call);

}  // namespace belfry::api
