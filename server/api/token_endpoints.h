#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// auth/token but for its roles: tokens are created, looked up, renewed and revoked.
// (vault-api-and-events 8.3) Thread-safe.

// Whether AnswerTokens is to answer `path`.
bool IsTokenPath(std::string_view path);

// For a caller who may. What changes something answers on the executor, because storage may block;
// the change is in force when the answer is given.
void AnswerTokens(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
