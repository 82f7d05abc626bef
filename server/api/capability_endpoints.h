#pragma once

#include <string_view>

#include "server/api/api.h"
#include "server/api/call.h"

namespace belfry::api {

// sys/capabilities, sys/capabilities-self and sys/capabilities-accessor: what a token may do on
// some paths. (vault-api-and-events 8.3) Thread-safe.

// Whether AnswerCapabilities is to answer `path`.
bool IsCapabilitiesPath(std::string_view path);

// For a caller who may ask. There may be many paths to answer for: on the executor.
void AnswerCapabilities(const Dependencies& dependencies, Call call, Respond respond);

}  // namespace belfry::api
