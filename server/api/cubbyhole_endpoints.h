#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// cubbyhole/: what a token keeps for itself. Each token sees only its own, and with the token it
// goes. Thread-safe.

// Whether AnswerCubbyhole is to answer `path`.
bool IsCubbyholePath(std::string_view path);

// For a caller whom nobody has held against the policies yet: whether a write creates something is
// only known here. Answers on the executor, because storage may block.
void AnswerCubbyhole(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
