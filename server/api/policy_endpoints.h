#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// sys/policies/acl, and sys/policy as older clients have it. (vault-api-and-events 8.6)
// Thread-safe.

// Whether AnswerPolicies is to answer `path`.
bool IsPolicyPath(std::string_view path);

// For a caller who may. Answers on the executor, because storage may block; a change is in force
// when the answer is given.
void AnswerPolicies(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
