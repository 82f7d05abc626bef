#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// GET sys/events/explain/{type}: what the caller's token would receive of such events, or the token
// of `?accessor=`, which needs sudo on the path unless it is the caller's; for each mount, or for
// the one path of `?path=`. Not one of Vault's. Thread-safe.

// Whether AnswerExplain is to answer `path`.
bool IsExplainPath(std::string_view path);

// For a caller who may ask.
void AnswerExplain(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
