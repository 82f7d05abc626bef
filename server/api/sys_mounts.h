#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// sys/mounts/<path> and sys/mounts/<path>/tune. (vault-api-and-events 8.4) Thread-safe.

// Whether AnswerMounts is to answer `path`.
bool IsMountsPath(std::string_view path);

// For a caller who may. Changes are answered on the plugin executor, because plugins
// start and stop.
void AnswerMounts(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
