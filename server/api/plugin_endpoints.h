#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// sys/plugins/: the catalog, the processes, and reloading. (vault-api-and-events 8.7) Thread-safe.

// Whether AnswerPlugins is to answer `path`.
bool IsPluginsPath(std::string_view path);

// For a caller who may. What has plugins start or stop answers on the plugin executor.
void AnswerPlugins(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
