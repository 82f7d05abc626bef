#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// auth/token/roles. (vault-api-and-events 8.3) Thread-safe.

// Whether AnswerRoles is to answer `path`.
bool IsRolePath(std::string_view path);

// For a caller whom nobody has held against the policies yet: whether a write creates the role is
// only known here. Answers on the executor, because storage may block.
void AnswerRoles(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
